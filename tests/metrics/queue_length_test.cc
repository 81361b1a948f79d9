// What a partition cannot begin, because it waits for the store, is counted.

#include <condition_variable>
#include <mutex>
#include <thread>

#include "storage/faulty_record_store.h"
#include "storage/memory_record_store.h"
#include "tests/metrics/metrics_fixture.h"

namespace latchkey {
namespace {

class QueueLengthTest : public testing::Test {
 protected:
  QueueLengthTest() {
    ServerOptions options;
    options.partitions = 1;
    auto started =
        Server::Start(std::move(options),
                      std::make_unique<storage::FaultyRecordStore>(
                          memory_, [this](const storage::StoreCall& call) { return OnCall(call); }),
                      clock_, observer_, {});
    EXPECT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
    stub_ = v1::CoordinationService::NewStub(grpc::CreateChannel(
        "127.0.0.1:" + std::to_string(server_->port()), grpc::InsecureChannelCredentials()));
  }

  storage::Fault OnCall(const storage::StoreCall& call) {
    std::unique_lock lock(mutex_);
    if (call.kind != storage::StoreCall::Kind::kCommit) return storage::Fault::kNone;
    ++commits_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !blocked_; });
    return storage::Fault::kNone;
  }
  void AwaitCommit() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return commits_ > 0; });
  }
  void Unblock() {
    const std::lock_guard lock(mutex_);
    blocked_ = false;
    changed_.notify_all();
  }
  std::future<bool> Acquire(const std::string& key) {
    return std::async(std::launch::async, [this, key] {
      v1::AcquireLockRequest request;
      request.set_key(key);
      request.set_attempt_id("a1");
      request.mutable_lease_duration()->set_seconds(30);
      grpc::ClientContext context;
      v1::AcquireLockResponse response;
      return stub_->AcquireLock(&context, request, &response).ok();
    });
  }

  SystemClock clock_;
  CountingObserver observer_;
  storage::MemoryRecordStore memory_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int commits_ = 0;
  bool blocked_ = true;
  std::unique_ptr<Server> server_;
  std::unique_ptr<v1::CoordinationService::Stub> stub_;
};

TEST_F(QueueLengthTest, GrowsWhileTheStoreIsBusyAndIsEmptyAgain) {
  EXPECT_EQ(server_->ReadGauges().queue_lengths, std::vector<std::size_t>{0});
  auto first = Acquire("k1");
  AwaitCommit();
  auto second = Acquire("k2");
  while (server_->ReadGauges().queue_lengths != std::vector<std::size_t>{1}) {
    std::this_thread::yield();
  }
  Unblock();
  EXPECT_TRUE(first.get());
  EXPECT_TRUE(second.get());
  EXPECT_EQ(server_->ReadGauges().queue_lengths, std::vector<std::size_t>{0});
}

}  // namespace
}  // namespace latchkey
