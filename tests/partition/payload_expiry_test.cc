// A payload leaves the disk when its retention is over, and nobody who asks sees a difference.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "base/fake_clock.h"
#include "latchkey/v1/coordination.pb.h"
#include "server/machine/proto_time.h"
#include "server/retention/retention.h"
#include "storage/rocksdb/rocksdb_record_store.h"
#include "storage/store_key.h"
#include "tests/support/temporary_directory.h"
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using std::chrono_literals::operator""h;
using storage::RocksDbRecordStore;

// That no compression takes apart.
std::string RandomBytes(std::size_t size) {
  std::mt19937 random(20240229);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

class PayloadExpiryTest : public testing::Test {
 protected:
  PayloadExpiryTest() {
    auto opened = RocksDbRecordStore::Open(
        directory_.store(), {.expire = [this](std::string_view key, storage::Record& record) {
          return retention_ == nullptr ? storage::Expired::kNothing
                                       : retention_->Expire(key, record);
        }});
    EXPECT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
    retention_ = *Retention::Start(*store_, namespaces_, clock_, {});
  }
  ~PayloadExpiryTest() override { EXPECT_TRUE(store_->Close().ok()); }

  // Decides one call on the key, and stores what has changed.
  template <class Response, class Request>
  std::pair<Step, Response> Do(const Request& request) {
    Context context;
    context.now = retention_->At(clock_.Monotonic());
    context.limits = &limits_;
    context.settings = &namespaces_.others();
    context.highest_token = store_->HighestToken();
    Response response;
    Step step = Decide(key_, request, context, &response);
    if (step.durable) {
      const storage::Write write = {.store_key = store_key_,
                                    .expected = revision_,
                                    .record = &*key_.record,
                                    .assign_token = step.granted};
      const storage::WriteResult written = store_->Commit({&write, 1})->front();
      revision_ = written.revision;
      if (step.granted) key_.record->set_fencing_token(written.token);
    }
    return {std::move(step), std::move(response)};
  }
  v1::RecordResultRequest Result(const std::string& reference) {
    v1::RecordResultRequest request;
    request.set_fencing_token(key_.record->fencing_token());
    request.set_outcome(v1::Result::SUCCEEDED);
    request.set_provider_reference(reference);
    request.set_payload(payload_);
    return request;
  }
  // As a batch does that knows nothing of the key yet.
  void Reload() {
    auto loaded = store_->Load({&store_key_, 1});
    ASSERT_TRUE(loaded.ok());
    EXPECT_EQ(loaded->front().revision, revision_);
    key_ = {};
    key_.record = std::move(loaded->front().record);
  }
  v1::CheckResultResponse Check() {
    return Do<v1::CheckResultResponse>(v1::CheckResultRequest()).second;
  }
  // Whether compacted tables have the payload.
  bool OnDisk() {
    EXPECT_TRUE(store_->Compact().ok());
    const std::string part = payload_.substr(payload_.size() / 2, 64);
    for (const auto& file : std::filesystem::directory_iterator(directory_.store() + "/db")) {
      if (file.path().extension() != ".sst") continue;
      std::ifstream table(file.path(), std::ios::binary);
      const std::string bytes((std::istreambuf_iterator<char>(table)), {});
      if (bytes.find(part) != std::string::npos) return true;
    }
    return false;
  }

  const std::string payload_ = RandomBytes(4096);
  const std::string store_key_ = storage::MakeStoreKey("default", "order:123");
  const Limits limits_;
  const Namespaces namespaces_;
  FakeClock clock_;
  TemporaryDirectory directory_;
  std::unique_ptr<Retention> retention_;
  std::unique_ptr<RocksDbRecordStore> store_;
  KeyState key_;
  storage::Revision revision_ = 0;
};

TEST_F(PayloadExpiryTest, TakesThePayloadFromTheDiskAndNothingElse) {
  v1::AcquireLockRequest acquire;
  acquire.set_attempt_id("a");
  SetProto(1h, acquire.mutable_lease_duration());
  Do<v1::AcquireLockResponse>(acquire);
  Do<v1::RecordResultResponse>(Result("R1"));
  ASSERT_TRUE(OnDisk());
  for (int hour = 0; hour < 72; ++hour) {
    clock_.Advance(1h);
    retention_->Tick();
  }
  const v1::CheckResultResponse before = Check();
  EXPECT_TRUE(before.result().body_expired());
  EXPECT_TRUE(OnDisk()) << "the clock has not been written down";

  ASSERT_TRUE(retention_->Save().ok());
  EXPECT_FALSE(OnDisk());
  Reload();
  EXPECT_EQ(Check().SerializeAsString(), before.SerializeAsString());
  EXPECT_EQ(Check().result().payload_digest().size(), 32u);
  EXPECT_TRUE(Do<v1::RecordResultResponse>(Result("R1")).second.already_recorded());

  EXPECT_TRUE(Do<v1::RecordResultResponse>(Result("R2")).first.late_outcome_kept);
  Reload();
  EXPECT_EQ(key_.record->late_outcomes_size(), 1) << "the next write found the record";
  EXPECT_EQ(Check().SerializeAsString(), before.SerializeAsString());
}

}  // namespace
}  // namespace latchkey
