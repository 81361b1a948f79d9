// CreateBackup, and the doubt that follows a restore.
#include "server/machine/proto_time.h"
#include "storage/restored_state.h"
#include "storage/rocksdb/restore.h"
#include "tests/behaviour/behaviour_fixture.h"

namespace latchkey {
namespace {

using ::testing::HasSubstr;

class StoreAdminTest : public BehaviourTest {
 protected:
  Reply<v1::CreateBackupResponse> BackUp(const Change<v1::CreateBackupRequest>& change = {}) {
    v1::CreateBackupRequest request;
    request.set_actor("ada");
    request.set_reason("nightly");
    if (change) change(request);
    Reply<v1::CreateBackupResponse> reply;
    grpc::ClientContext context;
    reply.status = admin().CreateBackup(&context, request, &reply.response);
    return reply;
  }
  Reply<v1::ClearRestoreDoubtResponse> Clear() {
    v1::ClearRestoreDoubtRequest request;
    request.set_actor("ada");
    request.set_reason("asked the provider about all of it");
    Reply<v1::ClearRestoreDoubtResponse> reply;
    grpc::ClientContext context;
    reply.status = admin().ClearRestoreDoubt(&context, request, &reply.response);
    return reply;
  }
  v1::GetServerStatusResponse Status() {
    v1::GetServerStatusResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(admin().GetServerStatus(&context, {}, &response).ok());
    return response;
  }
  std::string backups() const { return directory() / "backups"; }
  void StartWithBackups() {
    StartServer([&](ServerOptions& options) { options.backup_directory = backups(); });
  }
  // A server over a store that was restored just now.
  void StartRestored() {
    prepare_store = [this](storage::RecordStore& store) {
      auto state = *store.LoadState();
      const std::uint64_t floor = storage::RestoreFloor(clock().Wall());
      ASSERT_TRUE(store.RaiseTokens(floor).ok());
      storage::OpenRestoreDoubt(clock().Wall(), floor, state);
      ASSERT_TRUE(store.SaveState(state).ok());
    };
    StartServer();
    prepare_store = [](storage::RecordStore&) {};
  }
};
RUN_OVER_EVERY_STORE(StoreAdminTest);

TEST_P(StoreAdminTest, ABackupIsRefusedWhereNoDirectoryIsSet) {
  const auto reply = BackUp();
  EXPECT_EQ(reply.reason(), "BACKUP_UNAVAILABLE");
  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(reply.status.error_message(), HasSubstr("backup_directory"));
}

TEST_P(StoreAdminTest, WhoAsksForABackupSaysWhoAndWhy) {
  StartWithBackups();
  EXPECT_EQ(BackUp([](auto& request) { request.clear_actor(); }).reason(), "ACTOR_REQUIRED");
  EXPECT_EQ(BackUp([](auto& request) { request.clear_reason(); }).reason(), "REASON_REQUIRED");
  EXPECT_EQ(BackUp([](auto& request) { request.set_actor("a b"); }).reason(), "ACTOR_MALFORMED");
}

TEST_P(StoreAdminTest, ABackupIsMadeVerifiedAndAudited) {
  StartWithBackups();
  Record("k", MustAcquire("k", "a"));
  const auto reply = BackUp([](auto& request) { request.set_keep_newest(1); });
  if (!on_disk()) {
    EXPECT_EQ(reply.reason(), "BACKUP_UNAVAILABLE");
    EXPECT_THAT(reply.status.error_message(), HasSubstr("nothing on a disk"));
    return;
  }
  ASSERT_TRUE(reply.ok()) << reply.reason() << reply.status.error_message();
  EXPECT_EQ(reply->backup_id(), "1");
  EXPECT_GT(reply->size_bytes(), 0u);
  EXPECT_GT(reply->files(), 0u);
  EXPECT_EQ(reply->fencing_token(), 1u);
  EXPECT_EQ(BackUp([](auto& request) { request.set_keep_newest(1); })->backups(), 1u);
  const auto status = Status();
  EXPECT_FALSE(status.backup_running());
  ASSERT_EQ(status.audit_size(), 2);
  EXPECT_EQ(status.audit(0).action(), "CreateBackup");
  EXPECT_EQ(status.audit(0).actor(), "ada");
  EXPECT_EQ(status.audit(0).reason(), "nightly");
  EXPECT_THAT(status.audit(0).detail(), HasSubstr("backup 1, "));
  StopServer();
  EXPECT_TRUE(storage::RestoreBackup({.backups = backups(),
                                      .to = directory() / "restored",
                                      .id = {},
                                      .now = clock().Wall() + 1s})
                  .ok());
}

TEST_P(StoreAdminTest, ABackupThatCannotBeWrittenIsSaidAndTheServerGoesOn) {
  if (!on_disk()) GTEST_SKIP() << "there is nothing to back up";
  StartServer([&](ServerOptions& options) { options.backup_directory = directory() / "no/such"; });
  const auto reply = BackUp();
  EXPECT_EQ(reply.reason(), "BACKUP_UNAVAILABLE");
  EXPECT_THAT(reply.status.error_message(), HasSubstr("cannot be created"));
  EXPECT_NE(MustAcquire("k", "a"), 0u);
}

TEST_P(StoreAdminTest, AfterARestoreAbsentKeysAreGrantedToRecover) {
  StartRestored();
  const auto refused = Acquire("k", "a");
  EXPECT_TRUE(refused->contention().in_doubt()) << refused.reason();
  const auto granted = Acquire("k", "a", [](auto& request) { request.set_accept_recover(true); });
  EXPECT_EQ(granted->grant().mode(), v1::Grant::RECOVER);
  const auto fresh = Acquire("new", "a", [this](auto& request) {
    SetProto(clock().Wall() + 1s, request.mutable_first_sent_at());
  });
  EXPECT_EQ(fresh->grant().mode(), v1::Grant::EXECUTE);
  const auto status = Status();
  EXPECT_TRUE(status.restore_in_doubt());
  EXPECT_TRUE(status.has_restored_at());
  EXPECT_TRUE(status.has_unknown_since());
}

TEST_P(StoreAdminTest, TheDoubtIsClearedOnceAndForAll) {
  StartRestored();
  const auto cleared = Clear();
  EXPECT_TRUE(cleared->was_in_doubt()) << cleared.reason();
  EXPECT_EQ(Acquire("k", "a")->grant().mode(), v1::Grant::EXECUTE);
  EXPECT_FALSE(Clear()->was_in_doubt());
  auto status = Status();
  EXPECT_FALSE(status.restore_in_doubt());
  ASSERT_EQ(status.audit_size(), 1);
  EXPECT_EQ(status.audit(0).action(), "ClearRestoreDoubt");
  if (!durable()) return;
  StartServer();
  status = Status();
  EXPECT_FALSE(status.restore_in_doubt());
  EXPECT_EQ(status.audit_size(), 1);
}

TEST_P(StoreAdminTest, TheDoubtOutlivesARestart) {
  if (!durable()) GTEST_SKIP() << "nothing outlives it";
  StartRestored();
  StartServer();
  EXPECT_TRUE(Status().restore_in_doubt());
  EXPECT_TRUE(Acquire("k", "a")->contention().in_doubt());
}

TEST_P(StoreAdminTest, ClearingTheDoubtWakesThoseWhoWait) {
  StartRestored();
  auto waiting =
      AcquireAsync("k", "a", [](auto& request) { SetProto(60s, request.mutable_wait_timeout()); });
  AwaitWaiters("k", 1);
  EXPECT_TRUE(Clear()->was_in_doubt());
  EXPECT_EQ(waiting.get()->grant().mode(), v1::Grant::EXECUTE);
}

TEST_P(StoreAdminTest, WhoClearsTheDoubtSaysWhoAndWhy) {
  grpc::ClientContext context;
  Reply<v1::ClearRestoreDoubtResponse> reply;
  reply.status = admin().ClearRestoreDoubt(&context, {}, &reply.response);
  EXPECT_EQ(reply.reason(), "ACTOR_REQUIRED");
}

TEST_P(StoreAdminTest, ALeaseInTheBackupIsOverAfterTheRestore) {
  if (!durable()) GTEST_SKIP() << "nothing is held after a start";
  const std::uint64_t token = MustAcquire("k", "a");
  const std::uint64_t mutex = MustAcquire(
      "mutex", "a", [](auto& request) { request.set_on_lapse(v1::AcquireLockRequest::FORGET); });
  StartRestored();
  EXPECT_EQ(Check("k")->state(), State::IN_DOUBT);
  EXPECT_EQ(Renew("k", token).reason(), "LEASE_EXPIRED");
  EXPECT_EQ(Check("mutex")->state(), State::ABSENT);
  EXPECT_EQ(Renew("mutex", mutex).reason(), "KEY_UNKNOWN");
  EXPECT_TRUE(Record("k", token)->late()) << "its outcome is heard";
}

}  // namespace
}  // namespace latchkey
