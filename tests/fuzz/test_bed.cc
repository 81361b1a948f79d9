#include "tests/fuzz/test_bed.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/mutex.h"
#include "latchkey/v1/admin.pb.h"
#include "tests/fuzz/violation.h"

namespace latchkey::fuzz {
namespace {

Limits SmallLimits() {
  Limits limits;
  limits.payload_bytes = 64;
  limits.checkpoint_bytes = 64;
  limits.waiters_per_key = 4;
  limits.waiters_total = 6;
  limits.ended_attempts = 8;
  limits.reply_bytes_in_flight = 32 * 1024;
  limits.page_size_default = 2;
  limits.page_bytes = 1024;
  limits.frame_bytes = 4096;
  limits.frame_calls = 16;
  limits.session_calls = 12;
  return limits;
}

NamespaceSettings SmallSettings() {
  NamespaceSettings settings;
  settings.live_records_max = 8;
  return settings;
}

// A read of a key that nobody uses. The queue is first in, first out, so what was submitted before
// it is decided when it is.
class Barrier final : public Call {
 public:
  explicit Barrier(MonotonicTime now)
      : Call(GetRecordExchange{&request_, &response_}, storage::MakeStoreKey("fuzz", "barrier"),
             now, 0) {}

  void Finish(std::optional<Refusal>) override {
    MutexLock lock(mutex_);
    finished_ = true;
    changed_.NotifyOne();
  }
  void FinishShared(std::shared_ptr<const google::protobuf::Message>) override {
    Finish(std::nullopt);
  }
  void Wait() {
    MutexLock lock(mutex_);
    while (!finished_) changed_.WaitFor(mutex_, std::chrono::seconds(1));
  }

 private:
  const v1::GetRecordRequest request_;
  v1::GetRecordResponse response_;
  Mutex mutex_;
  Condition changed_;
  bool finished_ GUARDED_BY(mutex_) = false;
};

}  // namespace

TestBed::TestBed() : bed_(clock_, SmallLimits(), SmallSettings(), /*partition_count=*/1) {
  if (!partitions().Start().ok()) Violated("S2", "the partitions do not start");
}

TestBed::~TestBed() {
  partitions().Stop();
  if (bed_.fail_stop().tripped()) Violated("S2", "an input stopped the service");
  if (partitions().waiters() != 0) Violated("S2", "calls still count as waiting after the end");
  CheckStored();
}

void TestBed::Settle() {
  // Once for what is queued, and once for what a batch leaves for the next.
  for (int i = 0; i < 2; ++i) {
    Barrier barrier(clock_.Monotonic());
    partitions().Submit(barrier);
    barrier.Wait();
  }
}

void TestBed::SettleAndCheck() {
  Settle();
  if (partitions().waiters() > bed_.limits().waiters_total) Violated("S2", "too many calls wait");
}

void TestBed::Pass(Duration time) {
  while (time > Duration::zero()) {
    const Duration step = std::min<Duration>(time, std::chrono::milliseconds(100));
    clock_.Advance(step);
    time -= step;
    Settle();
  }
  bed_.retention().Tick();
}

void TestBed::CheckStored() {
  const auto all = store().Scan({.limit = 1'000'000});
  std::size_t live = 0;
  for (const storage::Scanned& scanned : *all) {
    if (scanned.loaded.corrupt) Violated("S3", "a record was stored that cannot be decoded");
    if (storage::IsLive(*scanned.loaded.record)) ++live;
    const auto parts = storage::SplitStoreKey(scanned.store_key);
    const bool too_long = parts.key.size() > bed_.limits().key_bytes ||
                          parts.name_space.size() > bed_.limits().namespace_bytes;
    if (too_long) Violated("S2", "a record has a key that is too long");
    if (scanned.loaded.record->ByteSizeLong() > 128 * 1024) Violated("S2", "a record is too large");
  }
  std::size_t counted = 0;
  for (const auto& [name, counts] : bed_.live_counts().All()) counted += counts.live();
  if (live != counted) Violated("S2", "live records are miscounted");
}

}  // namespace latchkey::fuzz
