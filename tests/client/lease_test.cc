// What a holder may believe: safe_until, HELD, UNCERTAIN and LOST, renewals, and how a lease ends.
#include <random>

#include "client/src/convert.h"
#include "client_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey::inline client::internal {
namespace {

using grpc::StatusCode;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using State = v1::CheckResultResponse;
using testing::StartsWith;

class LeaseTest : public ClientTest {};

TEST_F(LeaseTest, SafeUntil_CountsFromBeforeTheCallWasSentLessOnePercent) {
  GrantPlay grant = Granted();
  grant.delay = seconds(2);
  *grant.response.mutable_server_elapsed() = ToProto(seconds(1));
  *grant.response.mutable_grant()->mutable_lease_remaining() = ToProto(seconds(29));
  transport_->acquire.Always(grant);
  const auto sent_at = runtime_->Now();
  const Lease lease = AcquireLease();
  // (1 s + 29 s) x 0.99, rounded against us.
  EXPECT_EQ(lease.safe_until(), sent_at + milliseconds(29'700) - nanoseconds(1));
  EXPECT_EQ(lease.remaining(), milliseconds(27'700) - nanoseconds(1));
}

TEST_F(LeaseTest, SafeUntil_OfARepeatedCallCountsFromTheTryThatWasAnswered) {
  transport_->acquire.Then(Lost<v1::AcquireLockResponse>());
  const Lease lease = AcquireLease();
  ASSERT_EQ(transport_->acquire.count(), 2u);
  // The answer took 1 ms, as every one here.
  EXPECT_EQ(lease.safe_until(),
            runtime_->Now() - milliseconds(1) + milliseconds(29'700) - nanoseconds(1));
}

TEST_F(LeaseTest, SafeUntil_OfAWaitThatWasLongCountsTheWaitAsTheServiceDid) {
  GrantPlay grant = Granted();
  grant.delay = seconds(20);
  *grant.response.mutable_server_elapsed() = ToProto(seconds(20));
  transport_->acquire.Always(grant);
  const auto sent_at = runtime_->Now();
  const Lease lease = AcquireLease({.wait_timeout = seconds(40)});
  EXPECT_EQ(lease.safe_until(), sent_at + milliseconds(49'500) - nanoseconds(1));
}

TEST(ValidityTest, AbsurdDurationsStayDefined) {
  google::protobuf::Duration huge;
  huge.set_seconds(std::numeric_limits<std::int64_t>::max());
  google::protobuf::Duration negative;
  negative.set_seconds(-5);
  const BootClock::time_point sent_at{std::chrono::hours(1)};
  const Exchange exchange{sent_at, sent_at + seconds(1)};
  EXPECT_GT(ToValidity(exchange, huge, huge).safe_until, sent_at);
  EXPECT_LT(ToValidity(exchange, huge, huge).safe_until, sent_at + minutes(31))
      << "no lease is that long, and no more time than has passed was spent in the service";
  EXPECT_LT(ToValidity(exchange, negative, negative).safe_until, sent_at);
}

TEST_F(LeaseTest, AbsurdTimesAreSentAsACentury) {
  using std::chrono::system_clock;
  constexpr std::int64_t kCentury = 100LL * 366 * 24 * 3600;
  const Lease first = AcquireLease({.first_sent_at = system_clock::time_point::min()});
  const Lease last = AcquireLease({.first_sent_at = system_clock::time_point::max()});
  EXPECT_EQ(transport_->acquire.seen().at(0).first_sent_at().seconds(), -kCentury);
  EXPECT_EQ(transport_->acquire.seen().at(1).first_sent_at().seconds(), kCentury);
}

TEST_F(LeaseTest, IsRenewedWhenAThirdIsGone) {
  runtime_->set_random([] { return 0; });
  const Lease lease = AcquireLease();
  const auto first = lease.safe_until();
  runtime_->Advance(milliseconds(8'500));
  EXPECT_EQ(transport_->renew.count(), 0u);
  runtime_->Advance(milliseconds(1'500));
  ASSERT_EQ(transport_->renew.count(), 1u);
  EXPECT_GT(lease.safe_until(), first);
  EXPECT_EQ(lease.state(), LeaseState::kHeld);
  EXPECT_EQ(lease.state_reason(), "");
  const v1::RenewLeaseRequest sent = transport_->renew.seen().at(0);
  EXPECT_EQ(sent.key(), "order:1");
  EXPECT_EQ(sent.namespace_(), "shop/charge");
  EXPECT_EQ(sent.fencing_token(), 7u);
  EXPECT_FALSE(sent.has_lease_duration());
  EXPECT_FALSE(sent.effect_started());
  EXPECT_FALSE(sent.has_checkpoint());
}

TEST_F(LeaseTest, ThousandsTakenAtOnce_AreRenewedSpreadOut) {
  std::mt19937_64 random(1);
  runtime_->set_random([&] { return random(); });
  std::vector<Lease> leases;
  leases.reserve(10'000);
  for (int i = 0; i < 10'000; ++i) {
    client_.AcquireLockAsync("order:1", {}, [&](AcquireAnswer answer) {
      leases.push_back(std::get<Lease>(std::move(answer)));
    });
  }
  std::size_t most = 0;
  for (int i = 0; i < 600; ++i) {
    const std::size_t before = transport_->renew.count();
    runtime_->Advance(milliseconds(100));
    most = std::max(most, transport_->renew.count() - before);
  }
  EXPECT_GE(transport_->renew.count(), 60'000u);
  EXPECT_LE(transport_->renew.count(), 75'000u) << "seven times in a minute at most";
  EXPECT_LE(most, 300u) << "evenly it would be about 110 in 100 ms";
}

TEST_F(LeaseTest, SafeUntil_NeverGoesDown) {
  const Lease lease = AcquireLease();
  transport_->renew.Always(Renewed(seconds(1)));
  auto before = lease.safe_until();
  for (int i = 0; i < 20; ++i) {
    runtime_->Advance(seconds(1));
    EXPECT_GE(lease.safe_until(), before);
    before = lease.safe_until();
  }
}

TEST_F(LeaseTest, AnswersThatPromiseNothing_AreNotAskedForInALoop) {
  const Lease lease = AcquireLease();
  transport_->renew.Always(Renewed(seconds(0)));
  runtime_->Advance(seconds(25));
  EXPECT_LE(transport_->renew.count(), 7u);
}

TEST_F(LeaseTest, ARenewalThatFails_MakesItUncertainUntilOneSucceeds) {
  const Lease lease = AcquireLease();
  transport_->renew.Then(Failing<v1::RenewLeaseResponse>({StatusCode::UNAVAILABLE, "gone", ""}));
  runtime_->set_random([] { return ~std::uint64_t{0} / 2; });
  const auto safe_until = lease.safe_until();
  while (transport_->renew.count() == 0) runtime_->Advance(milliseconds(1));
  runtime_->Advance(milliseconds(1));
  EXPECT_EQ(lease.state(), LeaseState::kUncertain);
  EXPECT_EQ(lease.state_reason(), "RENEWAL_FAILED: gone");
  EXPECT_EQ(lease.safe_until(), safe_until);
  runtime_->Advance(seconds(4));
  EXPECT_EQ(lease.state(), LeaseState::kHeld);
  EXPECT_GT(lease.safe_until(), safe_until);
}

TEST_F(LeaseTest, ARenewalThatIsOverdue_MakesItUncertain) {
  const Lease lease = AcquireLease();
  transport_->renew.Always(Frozen<v1::RenewLeaseResponse>());
  runtime_->Advance(seconds(19));
  EXPECT_EQ(lease.state(), LeaseState::kHeld);
  runtime_->Advance(seconds(1));
  EXPECT_EQ(lease.state(), LeaseState::kUncertain);
  EXPECT_EQ(lease.state_reason(), "RENEWAL_OVERDUE");
}

TEST_F(LeaseTest, AtSafeUntil_IsLostAndNeverHeldAgain) {
  const Lease lease = AcquireLease();
  // The answer to the first renewal comes long after safe_until and says that all is well.
  auto late = Renewed();
  late.delay = seconds(4);
  transport_->renew.Always(late);
  runtime_->Freeze(seconds(28));
  runtime_->Advance(seconds(1));
  EXPECT_EQ(lease.state(), LeaseState::kUncertain);
  runtime_->Advance(seconds(1));
  EXPECT_EQ(lease.state(), LeaseState::kLost);
  EXPECT_EQ(lease.state_reason(), "SAFE_UNTIL_REACHED");
  EXPECT_EQ(lease.remaining(), seconds(0));
  runtime_->Advance(minutes(1));
  EXPECT_EQ(lease.state(), LeaseState::kLost);
  EXPECT_EQ(transport_->renew.count(), 1u);
}

TEST_F(LeaseTest, AnAnswerAfterSafeUntil_RevivesNothingThoughNobodyLooked) {
  const Lease lease = AcquireLease();
  auto late = Renewed();
  late.delay = seconds(4);
  transport_->renew.Always(late);
  runtime_->Freeze(seconds(28));
  runtime_->Advance(seconds(5));
  EXPECT_EQ(transport_->renew.count(), 1u);
  EXPECT_EQ(lease.state(), LeaseState::kLost);
  EXPECT_EQ(lease.state_reason(), "SAFE_UNTIL_REACHED");
}

TEST_F(LeaseTest, ServiceGoneForLessThanTheLease_LosesNothing) {
  const Lease lease = AcquireLease();
  transport_->renew.Always(Failing<v1::RenewLeaseResponse>({StatusCode::UNAVAILABLE, "gone", ""}));
  runtime_->Advance(seconds(25));
  EXPECT_EQ(lease.state(), LeaseState::kUncertain);
  transport_->renew.Always(Renewed());
  runtime_->Advance(seconds(4));
  EXPECT_EQ(lease.state(), LeaseState::kHeld);
}

struct RenewalRefusal {
  StatusCode code;
  const char* reason;
  LeaseState state;
};

class RenewalRefusalTest : public ClientTest, public testing::WithParamInterface<RenewalRefusal> {};

TEST_P(RenewalRefusalTest, LosesTheLeaseOnlyWhereTheTokenHoldsNothing) {
  const Lease lease = AcquireLease();
  transport_->renew.Always(
      Failing<v1::RenewLeaseResponse>(Refusal(GetParam().code, GetParam().reason)));
  runtime_->Advance(seconds(11));
  EXPECT_EQ(lease.state(), GetParam().state);
  EXPECT_THAT(lease.state_reason(), StartsWith(GetParam().reason));
}

INSTANTIATE_TEST_SUITE_P(
    Reasons, RenewalRefusalTest,
    testing::Values(
        RenewalRefusal{StatusCode::FAILED_PRECONDITION, "STALE_FENCING_TOKEN", LeaseState::kLost},
        RenewalRefusal{StatusCode::FAILED_PRECONDITION, "LEASE_EXPIRED", LeaseState::kLost},
        RenewalRefusal{StatusCode::FAILED_PRECONDITION, "ALREADY_COMPLETED", LeaseState::kLost},
        RenewalRefusal{StatusCode::NOT_FOUND, "KEY_UNKNOWN", LeaseState::kLost},
        RenewalRefusal{StatusCode::UNAUTHENTICATED, "CREDENTIALS_REQUIRED", LeaseState::kUncertain},
        RenewalRefusal{StatusCode::UNAVAILABLE, "OVERLOADED", LeaseState::kUncertain}),
    [](const auto& param) { return std::string(param.param.reason); });

TEST_F(LeaseTest, OnLost_IsCalledOnceAtSafeUntil) {
  Lease lease = AcquireLease();
  std::vector<std::string> heard;
  lease.OnLost([&](std::string reason) { heard.push_back(std::move(reason)); });
  lease.OnLost(nullptr);
  transport_->renew.Always(Lost<v1::RenewLeaseResponse>());
  const auto safe_until = lease.safe_until();
  runtime_->Advance(safe_until - runtime_->Now() - nanoseconds(1));
  EXPECT_TRUE(heard.empty());
  runtime_->Advance(nanoseconds(1));
  EXPECT_EQ(heard, std::vector<std::string>{"SAFE_UNTIL_REACHED"});
  lease.OnLost([&](std::string reason) { heard.push_back("late " + std::move(reason)); });
  runtime_->Advance(minutes(1));
  EXPECT_EQ(heard.size(), 2u);
  EXPECT_EQ(heard.back(), "late SAFE_UNTIL_REACHED");
}

TEST_F(LeaseTest, OnLost_IsCalledWhenTheServiceSaysSo) {
  Lease lease = AcquireLease();
  std::string heard;
  lease.OnLost([&](std::string reason) { heard = std::move(reason); });
  transport_->renew.Always(Failing<v1::RenewLeaseResponse>(
      Refusal(StatusCode::FAILED_PRECONDITION, "STALE_FENCING_TOKEN")));
  runtime_->Advance(seconds(11));
  EXPECT_EQ(heard, "STALE_FENCING_TOKEN");
}

TEST_F(LeaseTest, OnLost_IsNotCalledForALeaseThatItsHolderEnded) {
  const auto fail = [](const std::string& reason) { ADD_FAILURE() << reason; };
  Lease recorded = AcquireLease();
  recorded.OnLost(fail);
  EXPECT_TRUE(recorded.Record(Succeeded({})).stored);
  recorded.OnLost(fail);
  Lease released = AcquireLease();
  released.OnLost(fail);
  EXPECT_TRUE(released.Release(Effect::kNotExecuted).ok());
  {
    Lease dropped = AcquireLease();
    dropped.OnLost(fail);
  }
  runtime_->Advance(minutes(2));
}

TEST_F(LeaseTest, OnLost_IsNotCalledWhenTheHolderIsGoneAndOnlyItsOutcomeIsOnItsWay) {
  transport_->record.Always(Lost<v1::RecordResultResponse>());
  {
    Lease lease = AcquireLease({.record_timeout = seconds(5)});
    lease.OnLost([](const std::string& reason) { ADD_FAILURE() << reason; });
    EXPECT_TRUE(lease.Record(Succeeded({})).delivering);
  }
  transport_->renew.Always(Lost<v1::RenewLeaseResponse>());
  runtime_->Advance(minutes(2));
}

TEST_F(LeaseTest, OnLost_MayDropTheLease) {
  std::optional<Lease> lease = AcquireLease();
  lease->OnLost([&](const std::string&) { lease.reset(); });
  transport_->renew.Always(Lost<v1::RenewLeaseResponse>());
  runtime_->Advance(minutes(1));
  EXPECT_FALSE(lease);
}

TEST_F(LeaseTest, MarkAndCheckpoint_AreSentAndRenew) {
  Lease lease = AcquireLease();
  runtime_->Advance(seconds(3));
  const auto before = lease.safe_until();
  const Answer<nanoseconds> marked = lease.MarkEffectStarted();
  ASSERT_TRUE(marked.ok());
  EXPECT_GT(*marked, seconds(29));
  EXPECT_TRUE(transport_->renew.seen().at(0).effect_started());
  EXPECT_GT(lease.safe_until(), before);
  EXPECT_TRUE(lease.SaveCheckpoint("step 2").ok());
  EXPECT_EQ(transport_->renew.seen().at(1).checkpoint(), "step 2");
  EXPECT_EQ(lease.checkpoint(), "step 2");
  EXPECT_TRUE(lease.SaveCheckpoint("").ok());
  EXPECT_TRUE(transport_->renew.seen().at(2).has_checkpoint());
  transport_->renew.Always(Renewed(minutes(5)));
  EXPECT_TRUE(lease.Renew(minutes(5)).ok());
  EXPECT_EQ(transport_->renew.seen().at(3).lease_duration().seconds(), 300);
  EXPECT_GT(lease.remaining(), minutes(4));
}

TEST_F(LeaseTest, ABadCheckpoint_IsRefusedAndCostsNoLease) {
  Lease lease = AcquireLease();
  transport_->renew.Then(Failing<v1::RenewLeaseResponse>(
      Refusal(StatusCode::INVALID_ARGUMENT, "CHECKPOINT_TOO_LONG")));
  const Answer<nanoseconds> saved = lease.SaveCheckpoint(std::string(5000, 'x'));
  ASSERT_FALSE(saved.ok());
  EXPECT_EQ(saved.error().reason, "CHECKPOINT_TOO_LONG");
  EXPECT_EQ(lease.state(), LeaseState::kHeld);
  EXPECT_EQ(lease.checkpoint(), "");
}

TEST_F(LeaseTest, AMarkThatIsNotAnswered_FailsAtSafeUntil) {
  Lease lease = AcquireLease();
  transport_->renew.Always(Lost<v1::RenewLeaseResponse>());
  const auto safe_until = lease.safe_until();
  EXPECT_FALSE(lease.MarkEffectStarted().ok());
  EXPECT_LE(runtime_->Now(), safe_until);
  runtime_->Advance(seconds(30));
  const std::size_t sent = transport_->renew.count();
  const Answer<nanoseconds> again = lease.MarkEffectStarted();
  EXPECT_EQ(again.error().reason, "SAFE_UNTIL_REACHED");
  EXPECT_EQ(transport_->renew.count(), sent) << "a lost lease asks for nothing";
}

TEST_F(LeaseTest, AMarkRefusedAsStale_LosesTheLease) {
  Lease lease = AcquireLease();
  transport_->renew.Always(Failing<v1::RenewLeaseResponse>(
      Refusal(StatusCode::FAILED_PRECONDITION, "STALE_FENCING_TOKEN")));
  EXPECT_FALSE(lease.MarkEffectStarted().ok());
  EXPECT_EQ(lease.state(), LeaseState::kLost);
}

TEST_F(LeaseTest, Record_EndsTheLease) {
  {
    Lease lease = AcquireLease();
    const RecordAnswer answer = lease.Record(Succeeded({.code = "ok"}));
    EXPECT_EQ(answer.status, RecordAnswer::Status::kRecorded);
    EXPECT_EQ(answer.stored->code, "ok");
    EXPECT_EQ(lease.state(), LeaseState::kLost);
    EXPECT_EQ(lease.state_reason(), "RECORDED");
  }
  EXPECT_EQ(transport_->release.count(), 0u);
  EXPECT_EQ(runtime_->pending(), 0u);
}

TEST_F(LeaseTest, Record_TakesOnlyWhatIsFinal) {
  Lease lease = AcquireLease();
  const RecordAnswer answer = lease.Record(Unknown());
  EXPECT_EQ(answer.status, RecordAnswer::Status::kUnrecorded);
  EXPECT_EQ(answer.error->reason, "OUTCOME_REQUIRED");
  EXPECT_EQ(transport_->record.count(), 0u);
  EXPECT_EQ(lease.state(), LeaseState::kHeld);
}

TEST_F(LeaseTest, Record_MayBeTriedAgainAfterUnrecorded) {
  Lease lease = AcquireLease();
  transport_->record.Always(Failing<v1::RecordResultResponse>(
      Refusal(StatusCode::INVALID_ARGUMENT, "RETENTION_OUT_OF_RANGE")));
  EXPECT_EQ(lease.Record(Succeeded({})).status, RecordAnswer::Status::kUnrecorded);
  transport_->record.Always(Recorded);
  EXPECT_EQ(lease.Record(Succeeded({})).status, RecordAnswer::Status::kRecorded);
}

TEST_F(LeaseTest, Release_SaysWhatItIsTold) {
  const std::vector<std::pair<Effect, v1::ReleaseRequest::Effect>> effects = {
      {Effect::kNotExecuted, v1::ReleaseRequest::NOT_EXECUTED},
      {Effect::kUnknown, v1::ReleaseRequest::UNKNOWN},
      {Effect::kRunNotExecuted, v1::ReleaseRequest::RUN_NOT_EXECUTED}};
  for (const auto& [effect, sent] : effects) {
    Lease lease = AcquireLease();
    const Answer<KeyStatus> status = lease.Release(effect);
    EXPECT_EQ(status->state, KeyStatus::State::kAbsent);
    EXPECT_EQ(transport_->release.seen().back().effect(), sent);
    EXPECT_EQ(lease.state_reason(), "RELEASED");
  }
  EXPECT_EQ(transport_->release.count(), effects.size()) << "once each: dropping adds nothing";
}

TEST_F(LeaseTest, ReleaseAnsweredStale_IsDone) {
  Lease lease = AcquireLease();
  transport_->release.Always(Failing<v1::ReleaseResponse>(
      Refusal(StatusCode::FAILED_PRECONDITION, "STALE_FENCING_TOKEN")));
  const Answer<KeyStatus> status = lease.Release(Effect::kNotExecuted);
  EXPECT_EQ(status->state, KeyStatus::State::kHeld) << "nobody could be asked how it stands";
  EXPECT_EQ(lease.state(), LeaseState::kLost);
}

TEST_F(LeaseTest, DroppedWithoutAnOutcome_IsReleasedAsUnknown) {
  {
    const Lease lease = AcquireLease();
  }
  ASSERT_EQ(transport_->release.count(), 1u);
  EXPECT_EQ(transport_->release.seen().at(0).effect(), v1::ReleaseRequest::UNKNOWN);
  EXPECT_EQ(transport_->release.seen().at(0).fencing_token(), 7u);
  EXPECT_EQ(runtime_->pending(), 0u);
}

TEST_F(LeaseTest, DroppedWhileTheServiceIsGone_TakesASecondAndGoesOnInTheBackground) {
  transport_->release.Always(Failing<v1::ReleaseResponse>({StatusCode::UNAVAILABLE, "gone", ""}));
  const auto began = runtime_->Now();
  {
    const Lease lease = AcquireLease();
  }
  EXPECT_LE(runtime_->Now() - began, milliseconds(1'001));
  transport_->release.Always(Released(State::IN_DOUBT));
  const std::size_t tries = transport_->release.count();
  runtime_->Advance(seconds(5));
  EXPECT_EQ(transport_->release.count(), tries + 1);
  EXPECT_EQ(runtime_->pending(), 0u);
}

TEST_F(LeaseTest, DroppedOverATransportThatHangs_TakesASecond) {
  transport_->release.Always(Frozen<v1::ReleaseResponse>());
  const auto began = runtime_->Now();
  {
    const Lease lease = AcquireLease();
  }
  EXPECT_EQ(runtime_->Now() - began, milliseconds(1'001));
}

TEST_F(LeaseTest, DroppedAfterItWasLost_SaysNothing) {
  {
    const Lease lease = AcquireLease();
    transport_->renew.Always(Lost<v1::RenewLeaseResponse>());
    runtime_->Advance(minutes(1));
  }
  EXPECT_EQ(transport_->release.count(), 0u);
}

TEST_F(LeaseTest, Moved_IsOneLease) {
  Lease lease = AcquireLease();
  transport_->acquire.Always(Granted(8));
  Lease moved = std::move(lease);
  EXPECT_EQ(moved.fencing_token(), 7u);
  moved = AcquireLease();
  EXPECT_EQ(moved.fencing_token(), 8u);
  EXPECT_EQ(transport_->release.count(), 1u) << "what it held before is given back";
}

TEST_F(LeaseTest, OutlivesItsClient) {
  std::optional<Client> client = MakeClient(runtime_, transport_);
  std::optional<Lease> lease = std::get<Lease>(client->AcquireLock("order:1"));
  client.reset();
  EXPECT_FALSE(runtime_->stopped());
  EXPECT_EQ(lease->Record(Succeeded({})).status, RecordAnswer::Status::kRecorded);
  lease.reset();
  EXPECT_TRUE(runtime_->stopped());
  EXPECT_TRUE(transport_->shut_down);
}

}  // namespace
}  // namespace latchkey::inline client::internal
