// What callers hear when the store fails or the server goes down, and how often a listing asks it.

#include <condition_variable>
#include <mutex>
#include <thread>

#include "storage/faulty_record_store.h"
#include "storage/memory_record_store.h"
#include "tests/behaviour/behaviour_fixture.h"

namespace latchkey {
namespace {

using Kind = storage::StoreCall::Kind;

class FailingStoreTest : public testing::Test {
 protected:
  FailingStoreTest() {
    auto started =
        Server::Start({},
                      std::make_unique<storage::FaultyRecordStore>(
                          store_, [this](const storage::StoreCall& call) { return OnCall(call); }),
                      clock_, observer_, {});
    EXPECT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
    const auto channel = grpc::CreateChannel("127.0.0.1:" + std::to_string(server_->port()),
                                             grpc::InsecureChannelCredentials());
    coordination_ = v1::CoordinationService::NewStub(channel);
    admin_ = v1::AdminService::NewStub(channel);
  }

  std::string Acquire(const std::string& key) {
    Reply<v1::AcquireLockResponse> reply;
    v1::AcquireLockRequest request;
    request.set_key(key);
    request.set_attempt_id("a1");
    request.set_holder_id(key);
    request.mutable_lease_duration()->set_seconds(30);
    grpc::ClientContext context;
    reply.status = coordination_->AcquireLock(&context, request, &reply.response);
    return reply.reason();
  }

  std::string IssueKey() {
    Reply<v1::IssueKeyResponse> reply;
    grpc::ClientContext context;
    reply.status = coordination_->IssueKey(&context, {}, &reply.response);
    return reply.reason();
  }

  Reply<v1::ListRecordsResponse> List(const v1::ListRecordsRequest& request = {}) {
    Reply<v1::ListRecordsResponse> reply;
    grpc::ClientContext context;
    reply.status = admin_->ListRecords(&context, request, &reply.response);
    return reply;
  }

  storage::Fault OnCall(const storage::StoreCall& call) {
    std::unique_lock lock(mutex_);
    if (call.kind == Kind::kScan) {
      ++scans_;
      changed_.notify_all();
      changed_.wait(lock, [this] { return !scans_blocked_; });
    }
    return commits_fail_ && call.kind == Kind::kCommit ? storage::Fault::kFailBefore
                                                       : storage::Fault::kNone;
  }
  void BlockScans(bool blocked) {
    const std::lock_guard lock(mutex_);
    scans_blocked_ = blocked;
    changed_.notify_all();
  }
  void AwaitScans(int scans) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return scans_ >= scans; });
  }

  SystemClock clock_;
  CountingObserver observer_;
  storage::MemoryRecordStore store_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int scans_ = 0;
  bool scans_blocked_ = false;
  bool commits_fail_ = false;
  std::unique_ptr<Server> server_;
  std::unique_ptr<v1::CoordinationService::Stub> coordination_;
  std::unique_ptr<v1::AdminService::Stub> admin_;
};

TEST_F(FailingStoreTest, EverythingAnswersUnavailableOnceTheStoreHasFailed) {
  EXPECT_EQ(IssueKey(), "OK");
  {
    const std::lock_guard lock(mutex_);
    commits_fail_ = true;
  }
  EXPECT_EQ(Acquire("order:1"), "STORAGE_UNAVAILABLE");
  EXPECT_EQ(Acquire("order:2"), "STORAGE_UNAVAILABLE");
  EXPECT_EQ(IssueKey(), "STORAGE_UNAVAILABLE");
  EXPECT_EQ(List().reason(), "STORAGE_UNAVAILABLE");
}

TEST_F(FailingStoreTest, NoKeysAreIssuedWhileTheServerGoesDown) {
  BlockScans(true);
  int scans = 0;
  {
    const std::lock_guard lock(mutex_);
    scans = scans_;
  }
  std::thread listing([this] { List(); });
  AwaitScans(scans + 1);
  // The shutdown waits for the listing, and the listing for the store.
  std::thread shutdown([this] { EXPECT_TRUE(server_->Shutdown(std::chrono::seconds(10)).ok()); });
  std::string reason;
  while ((reason = IssueKey()) == "OK") {
  }
  EXPECT_EQ(reason, "SHUTTING_DOWN");
  BlockScans(false);
  listing.join();
  shutdown.join();
}

// One at a time, as page_size says, would ask the store 300 times for the one record.
TEST_F(FailingStoreTest, ListingLooksAtManyRecordsAtATimeForTheFewThatMatch) {
  for (int i = 0; i < 300; ++i) {
    ASSERT_EQ(Acquire("order:" + std::to_string(100 + i)), "OK");
  }
  int before = 0;
  {
    const std::lock_guard lock(mutex_);
    before = scans_;
  }
  v1::ListRecordsRequest request;
  request.set_holder_id("order:399");
  request.set_page_size(1);
  const auto page = List(request);
  ASSERT_EQ(page->records_size(), 1) << page.reason();
  EXPECT_EQ(page->records(0).key(), "order:399");
  const std::lock_guard lock(mutex_);
  EXPECT_LE(scans_ - before, 5);
}

}  // namespace
}  // namespace latchkey
