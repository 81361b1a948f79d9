// latchkeyd is backed up while callers work through it, killed, and restored, twice from the same
// backup: no token comes again, no recorded result is missing, and nothing happens twice.
#include "storage/rocksdb/restore.h"

#include <filesystem>

#include "latchkey/v1/admin.grpc.pb.h"
#include "tests/restore/load.h"
#include "tests/support/temporary_directory.h"
#include "tools/process/server_process.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using ::testing::IsEmpty;

constexpr std::size_t kKeys = 500;

// One life of latchkeyd.
class Life {
 public:
  Life(const TemporaryDirectory& directory, const std::string& store)
      : server_(Start(directory, store)),
        channel_(grpc::CreateChannel(address(), grpc::InsecureChannelCredentials())),
        coordination_(v1::CoordinationService::NewStub(channel_)),
        admin_(v1::AdminService::NewStub(channel_)) {}

  const std::string& address() const { return server_.address(); }
  v1::CoordinationService::Stub& coordination() { return *coordination_; }
  void Kill() { server_.process().Kill(); }

  v1::CreateBackupResponse BackUp() {
    v1::CreateBackupRequest request;
    request.set_actor("ada");
    request.set_reason("before the disk dies");
    v1::CreateBackupResponse response;
    grpc::ClientContext context;
    const grpc::Status status = admin_->CreateBackup(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  void ClearDoubt() {
    v1::ClearRestoreDoubtRequest request;
    request.set_actor("ada");
    request.set_reason("all keys were looked up");
    v1::ClearRestoreDoubtResponse response;
    grpc::ClientContext context;
    const grpc::Status status = admin_->ClearRestoreDoubt(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_TRUE(response.was_in_doubt());
  }
  v1::GetServerStatusResponse Status() {
    v1::GetServerStatusResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(admin_->GetServerStatus(&context, {}, &response).ok());
    return response;
  }

 private:
  static ServerProcess Start(const TemporaryDirectory& directory, const std::string& store) {
    auto started = ServerProcess::Start(
        {.command = {LATCHKEYD, "--listen-address=127.0.0.1:0", "--store=rocksdb:" + store,
                     "--backup-directory=" + (directory / "backups")},
         .log = directory / "latchkeyd.log"});
    if (!started.ok()) throw std::runtime_error(std::string(started.status().message()));
    return *std::move(started);
  }

  ServerProcess server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::CoordinationService::Stub> coordination_;
  std::unique_ptr<v1::AdminService::Stub> admin_;
};

class RestoreTest : public testing::Test {
 protected:
  static void AwaitRecorded(const Load& load, std::size_t count) {
    while (load.recorded_count() < count) std::this_thread::yield();
  }
  storage::Restored Restore(const std::string& to) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto restored = storage::RestoreBackup(
        {.backups = directory_ / "backups", .to = to, .id = {}, .now = WallTime(now)});
    EXPECT_TRUE(restored.ok()) << restored.status();
    return restored.value_or(storage::Restored());
  }
  // A caller that recovers as it should: it asks the provider, and acts only where nobody has.
  void Recover(Life& life, const std::string& key, std::uint64_t token) {
    if (provider_.Effects(key) == 0) provider_.Act(key);
    EXPECT_TRUE(RecordSuccess(life.coordination(), key, token));
  }
  // Asks for a key that was begun before the server was lost.
  void AskAgain(Life& life, const std::string& key,
                const std::map<std::string, std::string>& backed_up) {
    const bool accepts = asked_++ % 2 == 0;
    const auto answer = AskFor(life.coordination(), key, "again", accepts);
    if (const auto found = backed_up.find(key); found != backed_up.end()) {
      ASSERT_TRUE(answer.has_completed()) << key << " was recorded before the backup";
      EXPECT_EQ(answer.completed().result().provider_reference(), found->second);
      return;
    }
    if (answer.has_completed()) return;
    if (!accepts) {
      EXPECT_TRUE(answer.contention().in_doubt()) << key << ": " << answer.ShortDebugString();
      ++refused_;
      return;
    }
    ASSERT_EQ(answer.grant().mode(), v1::Grant::RECOVER) << key << " may have been done";
    EXPECT_GT(answer.grant().fencing_token(), highest_token_);
    highest_token_ = answer.grant().fencing_token();
    Recover(life, key, highest_token_);
    ++recovered_;
  }

  TemporaryDirectory directory_;
  Provider provider_;
  std::uint64_t highest_token_ = 0;
  int asked_ = 0;
  int recovered_ = 0;
  int refused_ = 0;
};

TEST_F(RestoreTest, UnderLoadTwiceFromOneBackup) {
  std::set<std::string> begun;
  std::map<std::string, std::string> backed_up;
  {
    Life first(directory_, directory_.store());
    Load load("first", first.address(), provider_);
    AwaitRecorded(load, kKeys);
    backed_up = load.recorded();
    first.BackUp();
    AwaitRecorded(load, load.recorded_count() + kKeys);
    first.Kill();
    load.Join();
    begun = load.begun();
    highest_token_ = load.highest_token();
    ASSERT_GE(backed_up.size(), kKeys);
    ASSERT_GE(begun.size(), backed_up.size() + kKeys);
  }
  for (const std::string& name : {std::string("second"), std::string("third")}) {
    const std::string store = directory_ / name;
    const storage::Restored restored = Restore(store);
    EXPECT_GT(restored.token_now, highest_token_) << "L2";
    Life life(directory_, store);
    EXPECT_TRUE(life.Status().restore_in_doubt());
    // New work goes on, while what was begun before is asked for again.
    Load load(name, life.address(), provider_);
    AwaitRecorded(load, kKeys);
    EXPECT_GT(load.lowest_token(), highest_token_) << "L2";
    highest_token_ = load.highest_token();
    life.Kill();
    load.Join();
    highest_token_ = std::max(highest_token_, load.highest_token());

    Life again(directory_, store);
    EXPECT_TRUE(again.Status().restore_in_doubt()) << "the doubt is durable";
    recovered_ = refused_ = 0;
    for (const std::string& key : begun) AskAgain(again, key, backed_up);
    EXPECT_GT(recovered_, 0);
    EXPECT_GT(refused_, 0);
    begun.merge(load.begun());
    EXPECT_THAT(provider_.Doubled(), IsEmpty());
    if (name == "third") {
      again.ClearDoubt();
      const auto fresh = AskFor(again.coordination(), "never-seen", "a", false);
      EXPECT_EQ(fresh.grant().mode(), v1::Grant::EXECUTE);
      EXPECT_FALSE(again.Status().restore_in_doubt());
    }
    again.Kill();
  }
}

}  // namespace
}  // namespace latchkey
