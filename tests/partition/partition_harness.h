// A partition over a fake clock and a store that fails on demand, and calls that remember how they
// were finished, so that a test reads as a list of what is asked and what comes of it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/fake_clock.h"
#include "server/machine/namespaces.h"
#include "server/partition/fail_stop.h"
#include "server/partition/live_counts.h"
#include "server/partition/partition.h"
#include "server/retention/retention.h"
#include "storage/faulty_record_store.h"
#include "storage/memory_record_store.h"
#include "tests/partition/test_call.h"

namespace latchkey {

// What the partition told its observer.
class StepCounter final : public PartitionObserver {
 public:
  void OnStep(const std::string&, const Step& step) override {
    grants += step.granted ? 1 : 0;
    lapses += step.lapsed ? 1 : 0;
    if (on_step) on_step(step);
  }
  void OnStall(Duration) override { ++stalls; }

  int grants = 0;
  int lapses = 0;
  int stalls = 0;
  std::function<void(const Step& step)> on_step;
};

class PartitionHarness {
 public:
  explicit PartitionHarness(NamespaceSettings settings = {}, Limits limits = {});
  ~PartitionHarness();

  // Puts a call into the next batch; it arrives now.
  template <class Request>
  TestCall<Request>& Submit(Request request) {
    auto call = std::make_unique<TestCall<Request>>(std::move(request), clock.Monotonic());
    TestCall<Request>& submitted = *call;
    calls_.push_back(std::move(call));
    work_.emplace_back(&submitted);
    return submitted;
  }
  // Decides a call in a batch of its own, with what was submitted before.
  template <class Request>
  TestCall<Request>& Do(Request request) {
    TestCall<Request>& call = Submit(std::move(request));
    Run();
    return call;
  }
  // A grant, which the key must be free for; its token.
  std::uint64_t Hold(v1::AcquireLockRequest request);

  // The caller of a call is gone, and the server knows.
  void Cancel(RememberingCall& call);
  void Post(Work work) { work_.push_back(std::move(work)); }
  // Frees a call that was finished, and its request, as a service would.
  void Delete(RememberingCall& call);

  // Decides what was submitted, in one batch.
  void RunOneBatch();
  // The same, and then whatever was left for later batches.
  void Run();
  // Lets time pass with a batch every 100 ms, as a partition's thread would.
  void Pass(Duration time);
  // Steps the wall clock, and lets the retention clock look at it.
  void StepWall(Duration by);

  // A crash, or a stop: a new partition over the same store, which takes up what is held. Calls
  // that are not finished are never heard of again.
  void Restart();
  // The same without serving yet.
  void RestartWithoutServing();
  // The same, and what the store knows beside its records is read again.
  void RestartWithState();
  Retention& retention() { return *retention_; }

  // What the store has; nothing where it has no record.
  std::optional<storage::v1::Record> Stored(const std::string& key);
  v1::CheckResultResponse::State StoredState(const std::string& key);
  bool StoresLease(const std::string& key) {
    return StoredState(key) == v1::CheckResultResponse::HELD;
  }
  LiveCounts::Counts counts() const { return live_counts_->Get("default"); }
  // Held and in doubt, counted in the store.
  LiveCounts::Counts CountStored();

  Partition& partition() { return *partition_; }
  const std::deque<std::unique_ptr<RememberingCall>>& calls() const { return calls_; }
  bool failed() const { return fail_stop_->tripped(); }
  std::size_t waiters() const { return waiters_.load(); }

  FakeClock clock;
  storage::MemoryRecordStore memory;
  StepCounter steps;
  std::atomic<bool> storage_full = false;
  // Commits since the start, and the writes of the last one.
  int commits = 0;
  std::size_t last_commit_writes = 0;
  // What the next store calls do; kNone again after the first fault.
  storage::Fault next_commit = storage::Fault::kNone;
  storage::Fault next_load = storage::Fault::kNone;
  // Called in each commit, before it takes effect.
  std::function<void()> during_commit;

 private:
  storage::Fault Script(const storage::StoreCall& call);

  const Limits limits_;
  const Namespaces namespaces_;
  std::atomic<std::size_t> waiters_ = 0;
  std::unique_ptr<Retention> retention_;
  std::unique_ptr<LiveCounts> live_counts_;
  std::unique_ptr<FailStop> fail_stop_;
  std::unique_ptr<storage::FaultyRecordStore> store_;
  std::unique_ptr<Partition> partition_;
  std::deque<std::unique_ptr<RememberingCall>> calls_;
  std::vector<Work> work_;
};

}  // namespace latchkey
