// What happens when a holder vanishes: doubt, recovery, and what ends it.

#include "server/machine/proto_time.h"
#include "tests/behaviour/behaviour_fixture.h"

namespace latchkey {
namespace {

using DoubtTest = BehaviourTest;
RUN_OVER_EVERY_STORE(DoubtTest);

const auto kRecover = [](v1::AcquireLockRequest& request) { request.set_accept_recover(true); };

TEST_P(DoubtTest, NextGrantAfterALapseIsToldToRecover) {
  const auto first = Acquire("order:1", "a1", [](auto& request) {
    SetProto(150ms, request.mutable_lease_duration());
    request.set_holder_id("worker-1");
  });
  ASSERT_TRUE(Renew("order:1", first->grant().fencing_token(), [](auto& request) {
                request.set_checkpoint("charging");
                request.set_effect_started(true);
              }).ok());
  AwaitState("order:1", State::IN_DOUBT);
  const auto second = Acquire("order:1", "a2", kRecover);
  ASSERT_TRUE(second->has_grant());
  const auto& grant = second->grant();
  EXPECT_EQ(grant.mode(), v1::Grant::RECOVER);
  EXPECT_EQ(grant.recover_action(), v1::Grant::QUERY_ONLY);
  EXPECT_EQ(grant.attempt_number(), 2u);
  EXPECT_EQ(grant.checkpoint(), "charging");
  EXPECT_EQ(grant.previous_holder_id(), "worker-1");
  EXPECT_GT(grant.fencing_token(), first->grant().fencing_token());
  EXPECT_EQ(grant.downstream_idempotency_key(), first->grant().downstream_idempotency_key());
  EXPECT_GE(*FromProto(grant.doubt_age()), 0s);
}

TEST_P(DoubtTest, CallerThatDoesNotAcceptRecoveryGetsContention) {
  MakeDoubtful("order:1");
  const auto reply = Acquire("order:1", "a2");
  ASSERT_TRUE(reply->has_contention());
  EXPECT_TRUE(reply->contention().in_doubt());
  EXPECT_GT(*FromProto(reply->contention().retry_after()), 0s);
  const auto waited = Acquire(
      "order:1", "a3", [](auto& request) { SetProto(150ms, request.mutable_wait_timeout()); });
  EXPECT_TRUE(waited->contention().in_doubt());
}

TEST_P(DoubtTest, WithinTheProvidersWindowTheSameKeyMayBeSentAgain) {
  const auto ttl = [](v1::AcquireLockRequest& request) {
    request.mutable_downstream_key_ttl()->set_seconds(3600);
  };
  MakeDoubtful("order:1", ttl);
  // The first grant's window counts for the run, whatever later ones say.
  const auto second = Acquire("order:1", "a2", [](auto& request) {
    request.set_accept_recover(true);
    request.mutable_downstream_key_ttl()->set_seconds(1);
  });
  EXPECT_EQ(second->grant().recover_action(), v1::Grant::RESEND_SAME_KEY);
  EXPECT_GT(*FromProto(second->grant().downstream_key_remaining()), 3500s);
  ASSERT_TRUE(
      Release("order:1", second->grant().fencing_token(), v1::ReleaseRequest::UNKNOWN).ok());
  clock().Advance(2h);
  const auto third = Acquire("order:1", "a3", kRecover);
  EXPECT_EQ(third->grant().recover_action(), v1::Grant::QUERY_ONLY);
  EXPECT_EQ(*FromProto(third->grant().downstream_key_remaining()), 0s);
}

TEST_P(DoubtTest, NamespaceMaySayHowLongItsProviderDeduplicates) {
  StartServer([](ServerOptions& options) {
    NamespaceSettings shop;
    shop.downstream_key_ttl = 24h;
    options.namespaces = Namespaces({}, {{"shop", shop}});
  });
  const auto reply =
      Acquire("order:1", "a1", [](auto& request) { request.set_namespace_("shop"); });
  EXPECT_GT(*FromProto(reply->grant().downstream_key_remaining()), 23h);
  EXPECT_EQ(*FromProto(Acquire("order:1", "a1")->grant().downstream_key_remaining()), 0s);
}

TEST_P(DoubtTest, PlainMutexIsForgottenWhenItLapses) {
  const auto token = MustAcquire("mutex", "a1", [](auto& request) {
    SetProto(100ms, request.mutable_lease_duration());
    request.set_on_lapse(v1::AcquireLockRequest::FORGET);
  });
  AwaitState("mutex", State::ABSENT);
  const auto next = Acquire("mutex", "a2");
  EXPECT_EQ(next->grant().mode(), v1::Grant::EXECUTE);
  EXPECT_EQ(next->grant().attempt_number(), 1u);
  EXPECT_EQ(Record("mutex", token).reason(), "STALE_FENCING_TOKEN");
}

TEST_P(DoubtTest, UnmarkedLapseIsForgottenMarkedOneIsNot) {
  const auto unless_started = [](v1::AcquireLockRequest& request) {
    SetProto(150ms, request.mutable_lease_duration());
    request.set_on_lapse(v1::AcquireLockRequest::FORGET_UNLESS_STARTED);
  };
  MustAcquire("order:1", "a1", unless_started);
  AwaitState("order:1", State::ABSENT);
  const auto token = MustAcquire("order:1", "a2", unless_started);
  ASSERT_TRUE(
      Renew("order:1", token, [](auto& request) { request.set_effect_started(true); }).ok());
  AwaitState("order:1", State::IN_DOUBT);
  EXPECT_TRUE(Get("order:1").effect_started());
}

TEST_P(DoubtTest, DoubtBelongsToTheRunWhateverARecoveringGrantSays) {
  MakeDoubtful("order:1");
  const auto second = Acquire("order:1", "a2", [](auto& request) {
    request.set_accept_recover(true);
    request.set_on_lapse(v1::AcquireLockRequest::FORGET);
    SetProto(100ms, request.mutable_lease_duration());
  });
  ASSERT_TRUE(second->has_grant());
  AwaitState("order:1", State::IN_DOUBT);
  EXPECT_EQ(Acquire("order:1", "a3", kRecover)->grant().mode(), v1::Grant::RECOVER);
}

TEST_P(DoubtTest, RenewalOfALapsedLeaseIsRefused) {
  const auto token = MakeDoubtful("order:1");
  const auto reply = Renew("order:1", token);
  EXPECT_EQ(reply.reason(), "LEASE_EXPIRED");
  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(Check("order:1")->state(), State::IN_DOUBT);
}

TEST_P(DoubtTest, RenewalKeepsTheLeaseAndNeverShortensIt) {
  const auto token = MustAcquire("order:1", "a1");
  const auto shorter = Renew(
      "order:1", token, [](auto& request) { SetProto(100ms, request.mutable_lease_duration()); });
  ASSERT_TRUE(shorter.ok()) << shorter.reason();
  EXPECT_GT(*FromProto(shorter->lease_remaining()), 25s);
  const auto longer = Renew(
      "order:1", token, [](auto& request) { request.mutable_lease_duration()->set_seconds(600); });
  EXPECT_GT(*FromProto(longer->lease_remaining()), 595s);
  EXPECT_GT(*FromProto(Get("order:1").lease_remaining()), 595s);
}

TEST_P(DoubtTest, LeaseThatIsRenewedOutlivesItsDuration) {
  const auto token = MustAcquire(
      "order:1", "a1", [](auto& request) { SetProto(400ms, request.mutable_lease_duration()); });
  const auto begin = std::chrono::steady_clock::now();
  Await(
      [&] {
        EXPECT_TRUE(Renew("order:1", token).ok());
        return std::chrono::steady_clock::now() - begin > 1s;
      },
      "a second of renewals");
  EXPECT_EQ(Check("order:1")->state(), State::HELD);
}

TEST_P(DoubtTest, LateResultOfTheNewestTokenIsAccepted) {
  const auto token = MakeDoubtful("order:1");
  const auto reply = Record("order:1", token);
  ASSERT_TRUE(reply.ok()) << reply.reason();
  EXPECT_TRUE(reply->late());
  EXPECT_TRUE(reply->result().late());
  EXPECT_TRUE(Acquire("order:1", "a2")->completed().result().late());
}

TEST_P(DoubtTest, ResultOfASupersededTokenIsRefusedAndKept) {
  const auto stale = MakeDoubtful("order:1");
  const auto token = MustAcquire("order:1", "a2", kRecover);
  const auto refused = Record("order:1", stale, [](auto& request) {
    request.set_provider_reference("pay_of_the_first");
    request.set_code("ok");
  });
  EXPECT_EQ(refused.reason(), "STALE_FENCING_TOKEN");
  EXPECT_EQ(Release("order:1", stale).reason(), "STALE_FENCING_TOKEN");
  EXPECT_EQ(Renew("order:1", stale).reason(), "STALE_FENCING_TOKEN");
  const auto record = Get("order:1");
  EXPECT_EQ(record.state(), State::HELD);
  EXPECT_EQ(record.fencing_token(), token);
  ASSERT_EQ(record.late_outcomes_size(), 1);
  EXPECT_EQ(record.late_outcomes(0).fencing_token(), stale);
  EXPECT_EQ(record.late_outcomes(0).provider_reference(), "pay_of_the_first");
  EXPECT_EQ(record.late_outcomes(0).code(), "ok");
  EXPECT_FALSE(record.duplicate_effect_suspected());
}

TEST_P(DoubtTest, RecoveringHolderIsShownWhatSupersededOnesReported) {
  const auto first = MakeDoubtful("order:1");
  const auto second = MustAcquire("order:1", "a2", kRecover);
  ASSERT_FALSE(Record("order:1", first).ok());
  ASSERT_TRUE(Release("order:1", second, v1::ReleaseRequest::UNKNOWN).ok());
  const auto third = Acquire("order:1", "a3", kRecover);
  ASSERT_EQ(third->grant().late_outcomes_size(), 1);
  EXPECT_EQ(third->grant().late_outcomes(0).provider_reference(), "pay_1");
}

TEST_P(DoubtTest, TwoDifferentSuccessesAreSuspectedToBeADuplicateEffect) {
  const auto stale = MakeDoubtful("order:1");
  const auto token = MustAcquire("order:1", "a2", kRecover);
  ASSERT_TRUE(Record("order:1", token, [](auto& request) {
                request.set_provider_reference("pay_2");
              }).ok());
  EXPECT_FALSE(Get("order:1").duplicate_effect_suspected());
  ASSERT_FALSE(Record("order:1", stale).ok());
  const auto record = Get("order:1");
  EXPECT_TRUE(record.duplicate_effect_suspected());
  EXPECT_EQ(record.result().provider_reference(), "pay_2");
  EXPECT_EQ(record.late_outcome_count(), 1u);
}

TEST_P(DoubtTest, SameReferenceFromTwoAttemptsIsOneEffect) {
  const auto stale = MakeDoubtful("order:1");
  const auto token = MustAcquire("order:1", "a2", kRecover);
  ASSERT_TRUE(Record("order:1", token).ok());
  ASSERT_FALSE(Record("order:1", stale).ok());
  EXPECT_FALSE(Get("order:1").duplicate_effect_suspected());
}

TEST_P(DoubtTest, FourLateOutcomesAreKeptAndTheRestIsCounted) {
  const auto stale = MakeDoubtful("order:1");
  MustAcquire("order:1", "a2", kRecover);
  for (int i = 0; i < 6; ++i) {
    ASSERT_FALSE(Record("order:1", stale, [&](auto& request) {
                   request.set_provider_reference("pay_" + std::to_string(i));
                 }).ok());
  }
  EXPECT_EQ(Get("order:1").late_outcomes_size(), 4);
  EXPECT_EQ(Get("order:1").late_outcome_count(), 6u);
}

TEST_P(DoubtTest, LapsedAttemptThatAsksAgainIsAnyOtherCaller) {
  MakeDoubtful("order:1");
  EXPECT_TRUE(Acquire("order:1", "vanished")->contention().in_doubt());
  const auto again = Acquire("order:1", "vanished", kRecover);
  ASSERT_TRUE(again->has_grant()) << again.reason();
  EXPECT_EQ(again->grant().mode(), v1::Grant::RECOVER);
  EXPECT_FALSE(again->grant().replayed());
}

TEST_P(DoubtTest, SupersededAttemptIsRefused) {
  MakeDoubtful("order:1");
  MustAcquire("order:1", "a2", kRecover);
  EXPECT_EQ(Acquire("order:1", "vanished").reason(), "ATTEMPT_ENDED");
}

TEST_P(DoubtTest, TwoRecoverersAtOnceOneWins) {
  MakeDoubtful("order:1");
  std::vector<std::future<Reply<v1::AcquireLockResponse>>> calls;
  for (int i = 0; i < 10; ++i) {
    calls.push_back(AcquireAsync("order:1", "r" + std::to_string(i), kRecover));
  }
  int granted = 0;
  for (auto& call : calls) granted += call.get()->has_grant() ? 1 : 0;
  EXPECT_EQ(granted, 1);
}

}  // namespace
}  // namespace latchkey
