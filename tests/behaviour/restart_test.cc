// What is still so after the server was stopped and started again.

#include "server/machine/proto_time.h"
#include "tests/behaviour/behaviour_fixture.h"

namespace latchkey {
namespace {

class RestartTest : public BehaviourTest {};
INSTANTIATE_TEST_SUITE_P(Stores, RestartTest, testing::Values("rocksdb"),
                         [](const auto& parameter) { return std::string(parameter.param); });

TEST_P(RestartTest, CompletedKeysStayCompleted) {
  const auto token = MustAcquire("order:1", "a1", [](auto& r) { r.set_fingerprint("10 EUR"); });
  ASSERT_TRUE(Record("order:1", token, [](auto& r) { r.set_payload("receipt"); }).ok());
  StartServer();
  EXPECT_EQ(Acquire("order:1", "a2")->completed().result().payload(), "receipt");
  EXPECT_EQ(Acquire("order:1", "a3", [](auto& r) { r.set_fingerprint("99 EUR"); }).reason(),
            "FINGERPRINT_MISMATCH");
  EXPECT_TRUE(
      Record("order:1", token, [](auto& r) { r.set_payload("receipt"); })->already_recorded());
}

TEST_P(RestartTest, HeldKeysStayHeldByTheSameTokenForTheWholeLease) {
  const auto token = MustAcquire("order:1", "a1");
  StartServer();
  EXPECT_TRUE(Acquire("order:1", "a2")->has_contention());
  EXPECT_GT(*FromProto(Get("order:1").lease_remaining()), 28s);
  const auto replay = Acquire("order:1", "a1");
  EXPECT_TRUE(replay->grant().replayed());
  EXPECT_EQ(replay->grant().fencing_token(), token);
  EXPECT_EQ(replay->grant().mode(), v1::Grant::EXECUTE);
  EXPECT_TRUE(Renew("order:1", token).ok());
}

TEST_P(RestartTest, LongerRenewalIsRemembered) {
  const auto token =
      MustAcquire("order:1", "a1", [](auto& r) { r.mutable_lease_duration()->set_seconds(1); });
  ASSERT_TRUE(
      Renew("order:1", token, [](auto& r) { r.mutable_lease_duration()->set_seconds(300); }).ok());
  StartServer();
  EXPECT_GT(*FromProto(Get("order:1").lease_remaining()), 295s);
}

TEST_P(RestartTest, UsedTokenMarkAndCheckpointAreRemembered) {
  const auto token = MustAcquire("order:1", "a1");
  ASSERT_TRUE(Renew("order:1", token, [](auto& r) {
                r.set_effect_started(true);
                r.set_checkpoint("charging");
              }).ok());
  StartServer();
  EXPECT_TRUE(Get("order:1").effect_started());
  const auto replay = Acquire("order:1", "a1");
  EXPECT_EQ(replay->grant().mode(), v1::Grant::RECOVER);
  EXPECT_EQ(replay->grant().checkpoint(), "charging");
}

TEST_P(RestartTest, LeaseOfAVanishedHolderLapsesAfterTheRestart) {
  MustAcquire("order:1", "a1", [](auto& r) { SetProto(200ms, r.mutable_lease_duration()); });
  StartServer();
  AwaitState("order:1", State::IN_DOUBT);
}

TEST_P(RestartTest, DoubtAndItsAuditStay) {
  const auto token = MakeDoubtful("order:1");
  const auto forced = MustAcquire("order:2", "a1");
  ASSERT_TRUE(ForceRelease("order:2", forced).ok());
  StartServer();
  EXPECT_EQ(Check("order:1")->state(), State::IN_DOUBT);
  EXPECT_EQ(Get("order:2").audit_size(), 1);
  EXPECT_TRUE(Record("order:1", token)->late());
}

TEST_P(RestartTest, TokensRise) {
  const auto before = MustAcquire("order:1", "a1");
  StartServer();
  EXPECT_GT(MustAcquire("order:2", "a1"), before);
}

TEST_P(RestartTest, QuotaCountsWhatWasThere) {
  const auto small = [](ServerOptions& options) {
    NamespaceSettings settings;
    settings.live_records_max = 2;
    options.namespaces = Namespaces(settings, {});
  };
  MustAcquire("order:1", "a1");
  MakeDoubtful("order:2");
  StartServer(small);
  EXPECT_EQ(Acquire("order:3", "a1").reason(), "QUOTA_EXCEEDED");
}

TEST_P(RestartTest, WaitersAreToldThatTheServerGoesDown) {
  MustAcquire("order:1", "a1");
  auto waiting = AcquireAsync(
      "order:1", "a2", [](auto& request) { request.mutable_wait_timeout()->set_seconds(60); });
  AwaitWaiters("order:1", 1);
  StopServer();
  const auto reply = waiting.get();
  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(reply.reason(), "SHUTTING_DOWN");
}

TEST_P(RestartTest, HorizonDoesNotMoveBackWhenRetentionGrows) {
  const auto keep = [](Duration retention) {
    return [retention](ServerOptions& options) {
      NamespaceSettings settings;
      settings.key_retention = retention;
      options.namespaces = Namespaces(settings, {});
    };
  };
  StartServer(keep(24h));
  StopServer();
  StartServer(keep(24h * 90));
  const auto reply = Acquire("order:1", "a1", [&](auto& request) {
    SetProto(clock().Wall() - 48h, request.mutable_first_sent_at());
  });
  EXPECT_EQ(reply.reason(), "KEY_EXPIRED");
}

}  // namespace
}  // namespace latchkey
