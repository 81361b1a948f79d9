// Giving a lock back, in every state and with every effect.

#include "server/machine/proto_time.h"
#include "tests/behaviour/behaviour_fixture.h"

namespace latchkey {
namespace {

using ReleaseTest = BehaviourTest;
RUN_OVER_EVERY_STORE(ReleaseTest);

using R = v1::ReleaseRequest;

const auto kRecover = [](v1::AcquireLockRequest& request) { request.set_accept_recover(true); };

TEST_P(ReleaseTest, UnsetOnAnUnmarkedExecuteGrantMeansNotExecuted) {
  const auto token = MustAcquire("order:1", "a1");
  EXPECT_EQ(Release("order:1", token)->state(), State::ABSENT);
  const auto next = Acquire("order:1", "a2");
  EXPECT_EQ(next->grant().mode(), v1::Grant::EXECUTE);
  EXPECT_EQ(next->grant().attempt_number(), 1u);
}

TEST_P(ReleaseTest, UnsetOnAMarkedGrantMeansUnknown) {
  const auto token = MustAcquire("order:1", "a1");
  ASSERT_TRUE(
      Renew("order:1", token, [](auto& request) { request.set_effect_started(true); }).ok());
  EXPECT_EQ(Release("order:1", token)->state(), State::IN_DOUBT);
}

TEST_P(ReleaseTest, UnknownLeavesDoubt) {
  const auto token = MustAcquire("order:1", "a1");
  EXPECT_EQ(Release("order:1", token, R::UNKNOWN)->state(), State::IN_DOUBT);
  EXPECT_EQ(Acquire("order:1", "a2", kRecover)->grant().mode(), v1::Grant::RECOVER);
}

TEST_P(ReleaseTest, UnknownOfAPlainMutexIsForgotten) {
  const auto token = MustAcquire(
      "mutex", "a1", [](auto& request) { request.set_on_lapse(v1::AcquireLockRequest::FORGET); });
  EXPECT_EQ(Release("mutex", token, R::UNKNOWN)->state(), State::ABSENT);
}

TEST_P(ReleaseTest, NotExecutedByARecoveringHolderLeavesTheDoubtOfTheRun) {
  MakeDoubtful("order:1");
  const auto unset = MustAcquire("order:1", "a2", kRecover);
  EXPECT_EQ(Release("order:1", unset)->state(), State::IN_DOUBT);
  const auto token = MustAcquire("order:1", "a3", kRecover);
  EXPECT_EQ(Release("order:1", token, R::NOT_EXECUTED)->state(), State::IN_DOUBT);
  const auto last = MustAcquire("order:1", "a4", kRecover);
  EXPECT_EQ(Release("order:1", last, R::RUN_NOT_EXECUTED)->state(), State::ABSENT);
  EXPECT_EQ(Acquire("order:1", "a5")->grant().mode(), v1::Grant::EXECUTE);
}

TEST_P(ReleaseTest, AfterTheLapseAnExplicitEffectCountsAsInTime) {
  const auto first = MakeDoubtful("order:1");
  EXPECT_EQ(Release("order:1", first)->state(), State::IN_DOUBT);
  EXPECT_EQ(Release("order:1", first, R::UNKNOWN)->state(), State::IN_DOUBT);
  EXPECT_EQ(Release("order:1", first, R::NOT_EXECUTED)->state(), State::ABSENT);
}

TEST_P(ReleaseTest, CompletedKeyStaysCompleted) {
  const auto token = MustAcquire("order:1", "a1");
  ASSERT_TRUE(Record("order:1", token).ok());
  for (const auto effect :
       {R::EFFECT_UNSPECIFIED, R::NOT_EXECUTED, R::UNKNOWN, R::RUN_NOT_EXECUTED}) {
    EXPECT_EQ(Release("order:1", token, effect)->state(), State::COMPLETED);
  }
  EXPECT_TRUE(Acquire("order:1", "a2")->has_completed());
}

TEST_P(ReleaseTest, OnAnAbsentKeyItIsOkForATokenThatWasIssued) {
  const auto token = MustAcquire("order:1", "a1");
  ASSERT_TRUE(Release("order:1", token).ok());
  EXPECT_EQ(Release("order:1", token)->state(), State::ABSENT);
  EXPECT_EQ(Release("order:2", token)->state(), State::ABSENT);
  const auto never = Release("order:1", 1'000'000'000'000);
  EXPECT_EQ(never.reason(), "KEY_UNKNOWN");
  EXPECT_EQ(never.status.error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_P(ReleaseTest, LateDuplicateOfAReleasedAttemptIsRefused) {
  const auto token = MustAcquire("order:1", "a1");
  ASSERT_TRUE(Release("order:1", token).ok());
  EXPECT_EQ(Acquire("order:1", "a1").reason(), "ATTEMPT_ENDED");
  EXPECT_TRUE(Acquire("order:1", "a2")->has_grant());
}

Reply<v1::ReleaseResponse> ReleaseAttempt(v1::CoordinationService::Stub& stub,
                                          const std::string& key, const std::string& attempt_id) {
  grpc::ClientContext context;
  v1::ReleaseRequest request;
  request.set_key(key);
  request.set_attempt_id(attempt_id);
  Reply<v1::ReleaseResponse> reply;
  reply.status = stub.Release(&context, request, &reply.response);
  return reply;
}

TEST_P(ReleaseTest, ByAttemptEndsAnUnusedGrant) {
  MustAcquire("order:1", "a1");
  EXPECT_EQ(ReleaseAttempt(coordination(), "order:1", "a1")->state(), State::ABSENT);
  EXPECT_EQ(ReleaseAttempt(coordination(), "order:1", "a1")->state(), State::ABSENT);
  EXPECT_EQ(Acquire("order:1", "a1").reason(), "ATTEMPT_ENDED");
}

TEST_P(ReleaseTest, ByAttemptLeavesAGrantThatIsInUse) {
  const auto token = MustAcquire("order:1", "a1");
  ASSERT_TRUE(Renew("order:1", token).ok());
  EXPECT_EQ(ReleaseAttempt(coordination(), "order:1", "a1")->state(), State::HELD);
  EXPECT_TRUE(Renew("order:1", token).ok());
}

TEST_P(ReleaseTest, ByAttemptEndsAWait) {
  MustAcquire("order:1", "a1");
  auto waiting = AcquireAsync(
      "order:1", "a2", [](auto& request) { request.mutable_wait_timeout()->set_seconds(60); });
  AwaitWaiters("order:1", 1);
  EXPECT_EQ(ReleaseAttempt(coordination(), "order:1", "a2")->state(), State::HELD);
  EXPECT_EQ(waiting.get().reason(), "ATTEMPT_ENDED");
  EXPECT_EQ(Get("order:1").waiters(), 0u);
}

TEST_P(ReleaseTest, ByAttemptOfARecoveringGrantLeavesDoubt) {
  MakeDoubtful("order:1");
  MustAcquire("order:1", "a2", kRecover);
  EXPECT_EQ(ReleaseAttempt(coordination(), "order:1", "a2")->state(), State::IN_DOUBT);
}

}  // namespace
}  // namespace latchkey
