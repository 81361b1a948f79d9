// Waiting, and what those hear who do not get the lock.

#include "server/machine/proto_time.h"
#include "tests/behaviour/behaviour_fixture.h"

namespace latchkey {
namespace {

using ContentionTest = BehaviourTest;
RUN_OVER_EVERY_STORE(ContentionTest);

const auto kWait = [](v1::AcquireLockRequest& request) {
  request.mutable_wait_timeout()->set_seconds(60);
};

TEST_P(ContentionTest, HeldKeyAnswersContentionWithoutAToken) {
  MustAcquire("order:1", "a1", [](auto& request) { request.set_holder_id("worker-1"); });
  const auto reply = Acquire("order:1", "a2");
  ASSERT_TRUE(reply->has_contention());
  const auto& contention = reply->contention();
  EXPECT_EQ(contention.holder_id(), "worker-1");
  EXPECT_FALSE(contention.in_doubt());
  EXPECT_GT(*FromProto(contention.retry_after()), 0s);
  EXPECT_LE(*FromProto(contention.retry_after()), 30s);
  EXPECT_EQ(contention.waiters(), 0u);
  EXPECT_EQ(contention.queue_position(), 1u);
}

TEST_P(ContentionTest, WaiterHearsOfTheResult) {
  const auto token = MustAcquire("order:1", "a1");
  auto waiting = AcquireAsync("order:1", "a2", kWait);
  AwaitWaiters("order:1", 1);
  ASSERT_TRUE(Record("order:1", token, [](auto& request) { request.set_payload("receipt"); }).ok());
  const auto reply = waiting.get();
  ASSERT_TRUE(reply->has_completed()) << reply.reason();
  EXPECT_EQ(reply->completed().result().payload(), "receipt");
  EXPECT_GT(*FromProto(reply->server_elapsed()), 0s);
}

TEST_P(ContentionTest, ReleaseGrantsToExactlyOneWaiterFirstInFirstOut) {
  auto token = MustAcquire("order:1", "a0");
  std::vector<std::future<Reply<v1::AcquireLockResponse>>> waiting;
  for (std::uint32_t i = 1; i <= 5; ++i) {
    waiting.push_back(AcquireAsync("order:1", "a" + std::to_string(i), kWait));
    AwaitWaiters("order:1", i);
  }
  for (std::uint32_t i = 0; i < 5; ++i) {
    ASSERT_TRUE(Release("order:1", token).ok());
    const auto reply = waiting[i].get();
    ASSERT_TRUE(reply->has_grant()) << reply.reason();
    EXPECT_GT(reply->grant().fencing_token(), token);
    EXPECT_GT(*FromProto(reply->grant().lease_remaining()), 29s);
    token = reply->grant().fencing_token();
    EXPECT_EQ(Get("order:1").waiters(), 4 - i);
  }
}

TEST_P(ContentionTest, WaitThatTimesOutAnswersContention) {
  MustAcquire("order:1", "a1");
  const auto begin = std::chrono::steady_clock::now();
  const auto reply = Acquire(
      "order:1", "a2", [](auto& request) { SetProto(150ms, request.mutable_wait_timeout()); });
  ASSERT_TRUE(reply->has_contention());
  EXPECT_EQ(reply->contention().queue_position(), 1u);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 150ms);
  EXPECT_EQ(Get("order:1").waiters(), 0u);
}

TEST_P(ContentionTest, CancelledWaiterIsNotGrantedLater) {
  const auto token = MustAcquire("order:1", "a1");
  {
    grpc::ClientContext context;
    v1::AcquireLockRequest request;
    request.set_key("order:1");
    request.set_attempt_id("gone");
    request.mutable_lease_duration()->set_seconds(30);
    kWait(request);
    v1::AcquireLockResponse response;
    auto call = std::async(std::launch::async, [&] {
      return coordination().AcquireLock(&context, request, &response);
    });
    AwaitWaiters("order:1", 1);
    context.TryCancel();
    EXPECT_EQ(call.get().error_code(), grpc::StatusCode::CANCELLED);
  }
  AwaitWaiters("order:1", 0);
  ASSERT_TRUE(Release("order:1", token).ok());
  EXPECT_EQ(Check("order:1")->state(), State::ABSENT);
}

TEST_P(ContentionTest, CallPastItsOwnDeadlineLeavesTheQueue) {
  const auto token = MustAcquire("order:1", "a1");
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + 100ms);
  v1::AcquireLockRequest request;
  request.set_key("order:1");
  request.set_attempt_id("late");
  request.mutable_lease_duration()->set_seconds(30);
  kWait(request);
  v1::AcquireLockResponse response;
  EXPECT_EQ(coordination().AcquireLock(&context, request, &response).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  AwaitWaiters("order:1", 0);
  ASSERT_TRUE(Release("order:1", token).ok());
  EXPECT_EQ(Check("order:1")->state(), State::ABSENT);
}

TEST_P(ContentionTest, RetryOfAWaitingCallTakesItsPlace) {
  const auto token = MustAcquire("order:1", "a1");
  auto first = AcquireAsync("order:1", "a2", kWait);
  AwaitWaiters("order:1", 1);
  auto behind = AcquireAsync("order:1", "a3", kWait);
  AwaitWaiters("order:1", 2);
  auto retry = AcquireAsync("order:1", "a2", kWait);
  const auto superseded = first.get();
  EXPECT_EQ(superseded.status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(superseded.reason(), "SUPERSEDED_BY_RETRY");
  EXPECT_EQ(Get("order:1").waiters(), 2u);
  ASSERT_TRUE(Release("order:1", token).ok());
  const auto granted = retry.get();
  ASSERT_TRUE(granted->has_grant());
  EXPECT_FALSE(granted->grant().replayed());
  ASSERT_TRUE(Record("order:1", granted->grant().fencing_token()).ok());
  EXPECT_TRUE(behind.get()->has_completed());
}

TEST_P(ContentionTest, LapseGrantsToTheWaiterThatAcceptsRecovery) {
  MustAcquire("order:1", "a1", [](auto& request) {
    SetProto(200ms, request.mutable_lease_duration());
    request.set_holder_id("worker-1");
  });
  const auto reply = Acquire("order:1", "a2", [](auto& request) {
    kWait(request);
    request.set_accept_recover(true);
  });
  ASSERT_TRUE(reply->has_grant()) << reply.reason();
  EXPECT_EQ(reply->grant().mode(), v1::Grant::RECOVER);
  EXPECT_EQ(reply->grant().attempt_number(), 2u);
  EXPECT_EQ(reply->grant().previous_holder_id(), "worker-1");
}

TEST_P(ContentionTest, WaitingCheckEndsAtCompletionAndTakesNoPlace) {
  const auto token = MustAcquire("order:1", "a1");
  auto check = std::async(std::launch::async, [&] {
    return Check("order:1", [](auto& request) { request.mutable_wait_timeout()->set_seconds(60); });
  });
  AwaitWaiters("order:1", 1);
  EXPECT_EQ(Acquire("order:1", "a2")->contention().waiters(), 1u);
  ASSERT_TRUE(Record("order:1", token).ok());
  const auto reply = check.get();
  EXPECT_EQ(reply->state(), State::COMPLETED);
  EXPECT_EQ(reply->result().provider_reference(), "pay_1");
}

TEST_P(ContentionTest, WaitingCheckAnswersTheStateWhenTimeIsUp) {
  const auto absent =
      Check("order:9", [](auto& request) { SetProto(120ms, request.mutable_wait_timeout()); });
  EXPECT_EQ(absent->state(), State::ABSENT);
  MustAcquire("order:1", "a1");
  const auto held =
      Check("order:1", [](auto& request) { SetProto(120ms, request.mutable_wait_timeout()); });
  EXPECT_EQ(held->state(), State::HELD);
  EXPECT_GT(*FromProto(held->retry_after()), 0s);
  EXPECT_EQ(Get("order:9").state(), State::ABSENT);
}

TEST_P(ContentionTest, WaiterWithAnotherFingerprintIsRefusedWhenAGrantBringsOne) {
  const auto token = MustAcquire("order:1", "a1");
  const auto with = [](const char* fingerprint) {
    return [fingerprint](v1::AcquireLockRequest& request) {
      kWait(request);
      request.set_fingerprint(fingerprint);
    };
  };
  auto first = AcquireAsync("order:1", "a2", with("10 EUR"));
  AwaitWaiters("order:1", 1);
  auto second = AcquireAsync("order:1", "a3", with("99 EUR"));
  AwaitWaiters("order:1", 2);
  ASSERT_TRUE(Release("order:1", token).ok());
  EXPECT_TRUE(first.get()->has_grant());
  EXPECT_EQ(second.get().reason(), "FINGERPRINT_MISMATCH");
}

TEST_P(ContentionTest, GrantWhoseCallerIsGoneIsTakenBackAndTheKeyIsFree) {
  // The caller's deadline passes at about the time of the grant; whatever happens, no grant stays
  // with nobody for longer than its lease, and most are taken back at once.
  for (int i = 0; i < 20; ++i) {
    const std::string key = "order:" + std::to_string(i);
    const auto token = MustAcquire(key, "a1");
    grpc::ClientContext context;
    v1::AcquireLockRequest request;
    request.set_key(key);
    request.set_attempt_id("gone");
    SetProto(500ms, request.mutable_lease_duration());
    kWait(request);
    request.set_on_lapse(v1::AcquireLockRequest::FORGET);
    v1::AcquireLockResponse response;
    auto call = std::async(std::launch::async, [&] {
      return coordination().AcquireLock(&context, request, &response);
    });
    AwaitWaiters(key, 1);
    auto release = std::async(std::launch::async, [&] { return Release(key, token); });
    context.TryCancel();
    ASSERT_TRUE(release.get().ok());
    (void)call.get();
    AwaitState(key, State::ABSENT);
  }
}

}  // namespace
}  // namespace latchkey
