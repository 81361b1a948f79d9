// Every way RunOnce can end, over a scripted service in virtual time: what the caller is told, how
// often the work ran, and what was said to the service.
#include <stdexcept>

#include "client/src/convert.h"
#include "client_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey::inline client::internal {
namespace {

using grpc::StatusCode;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using State = v1::CheckResultResponse;
using Status = RunResult::Status;
using testing::HasSubstr;

class RunOnceTest : public ClientTest {
 protected:
  const Outcome paid_ = Succeeded({.code = "captured",
                                   .provider_reference = "pay_1",
                                   .content_type = "application/json",
                                   .payload = "{}"});

  v1::ReleaseRequest::Effect ReleasedAs() { return transport_->release.seen().at(0).effect(); }
};

TEST_F(RunOnceTest, GrantedAndSucceeded_IsRecordedAndReturned) {
  const RunResult run = Run(Doing(paid_));
  EXPECT_EQ(run.status, Status::kSucceeded);
  EXPECT_EQ(runs_, 1);
  EXPECT_EQ(run.result->provider_reference, "pay_1");
  EXPECT_EQ(run.result->payload, "{}") << "the reply does not carry the payload back";
  EXPECT_EQ(run.result->fencing_token, 7u);
  EXPECT_FALSE(run.replayed);
  EXPECT_FALSE(run.superseded);
  EXPECT_FALSE(run.recovered);
  EXPECT_FALSE(run.error);
  EXPECT_EQ(run.own->kind(), Outcome::Kind::kSucceeded);
  const v1::RecordResultRequest sent = transport_->record.seen().at(0);
  EXPECT_EQ(sent.fencing_token(), 7u);
  EXPECT_EQ(sent.outcome(), v1::Result::SUCCEEDED);
  EXPECT_EQ(sent.code(), "captured");
  EXPECT_EQ(transport_->release.count(), 0u) << "recording gives the lock back";
}

TEST_F(RunOnceTest, GrantedAndRejected_IsRecordedAndReturned) {
  const RunResult run = Run(Doing(Rejected({.code = "card_declined"})));
  EXPECT_EQ(run.status, Status::kRejected);
  EXPECT_EQ(run.result->code, "card_declined");
  EXPECT_EQ(transport_->record.seen().at(0).outcome(), v1::Result::REJECTED);
}

TEST_F(RunOnceTest, SendsWhatItWasGiven) {
  const auto first_sent = std::chrono::system_clock::time_point(seconds(1'700'000'000));
  const AcquireOptions options{.fingerprint = "f",
                               .lease_duration = seconds(9),
                               .on_lapse = OnLapse::kForgetUnlessStarted,
                               .first_sent_at = first_sent,
                               .downstream_key_ttl = hours(24)};
  EXPECT_EQ(Run(Doing(paid_), nullptr, options).status, Status::kSucceeded);
  const v1::AcquireLockRequest sent = transport_->acquire.seen().at(0);
  EXPECT_EQ(sent.namespace_(), "shop/charge");
  EXPECT_EQ(sent.key(), "order:1");
  EXPECT_EQ(sent.holder_id(), "worker-1");
  EXPECT_EQ(sent.fingerprint(), "f");
  EXPECT_EQ(sent.lease_duration().seconds(), 9);
  EXPECT_EQ(sent.wait_timeout().seconds(), 0);
  EXPECT_EQ(sent.on_lapse(), v1::AcquireLockRequest::FORGET_UNLESS_STARTED);
  EXPECT_TRUE(sent.accept_recover());
  EXPECT_EQ(sent.first_sent_at().seconds(), 1'700'000'000);
  EXPECT_EQ(sent.downstream_key_ttl().seconds(), 24 * 3600);
  EXPECT_EQ(sent.attempt_id().size(), 36u);
}

TEST_F(RunOnceTest, OtherNamespaceOverTheSameConnection) {
  Client other = client_.InNamespace("shop/refund");
  EXPECT_EQ(other.RunOnce("order:1", {}, Doing(paid_)).status, Status::kSucceeded);
  EXPECT_EQ(transport_->acquire.seen().at(0).namespace_(), "shop/refund");
  EXPECT_EQ(transport_->record.seen().at(0).namespace_(), "shop/refund");
}

TEST_F(RunOnceTest, Completed_ReturnsTheStoredResultInOneRoundTrip) {
  transport_->acquire.Always(AlreadyCompleted());
  const RunResult run = Run(Doing(paid_));
  EXPECT_EQ(run.status, Status::kSucceeded);
  EXPECT_TRUE(run.replayed);
  EXPECT_EQ(run.result->provider_reference, "pay_1");
  EXPECT_EQ(run.result->payload, "body");
  EXPECT_FALSE(run.own);
  EXPECT_EQ(runs_, 0);
  EXPECT_EQ(transport_->acquire.count(), 1u);
  EXPECT_EQ(transport_->release.count(), 0u);
}

TEST_F(RunOnceTest, CompletedAsRejected_IsNotTriedAgain) {
  transport_->acquire.Always(AlreadyCompleted(v1::Result::REJECTED));
  const RunResult run = Run(Doing(paid_));
  EXPECT_EQ(run.status, Status::kRejected);
  EXPECT_TRUE(run.replayed);
  EXPECT_EQ(runs_, 0);
}

TEST_F(RunOnceTest, Contention_TellsWhoAndWhen) {
  transport_->acquire.Always(Contended());
  const RunResult run = Run(Doing(paid_));
  EXPECT_EQ(run.status, Status::kContention);
  EXPECT_EQ(run.contention->holder_id, "worker-2");
  EXPECT_EQ(run.contention->retry_after, seconds(3));
  EXPECT_EQ(run.contention->queue_position, 2u);
  EXPECT_EQ(run.contention->waiters, 5u);
  EXPECT_EQ(runs_, 0);
  EXPECT_EQ(transport_->acquire.count(), 1u);
}

TEST_F(RunOnceTest, Refused_TellsWhyAndRunsNothing) {
  transport_->acquire.Always(Failing<v1::AcquireLockResponse>(
      Refusal(StatusCode::FAILED_PRECONDITION, "FINGERPRINT_MISMATCH")));
  const RunResult run = Run(Doing(paid_));
  EXPECT_EQ(run.status, Status::kRefused);
  EXPECT_EQ(run.error->reason, "FINGERPRINT_MISMATCH");
  EXPECT_EQ(run.error->metadata.at("key"), "order:1");
  EXPECT_EQ(runs_, 0);
  EXPECT_EQ(transport_->acquire.count(), 1u);
  EXPECT_EQ(transport_->release.count(), 0u);
}

TEST_F(RunOnceTest, ServiceGone_NeverRunsTheWork) {
  transport_->acquire.Always(
      Failing<v1::AcquireLockResponse>({StatusCode::UNAVAILABLE, "connection refused", ""}));
  const auto began = runtime_->Now();
  const RunResult run = Run(Doing(paid_), Doing(paid_));
  EXPECT_EQ(run.status, Status::kUnavailable);
  EXPECT_THAT(run.error->message, HasSubstr("connection refused"));
  EXPECT_EQ(runs_, 0);
  EXPECT_GT(transport_->acquire.count(), 5u);
  EXPECT_LE(runtime_->Now() - began, seconds(15));
}

TEST_F(RunOnceTest, ServiceBackInTime_RunsTheWorkOnceUnderOneAttempt) {
  for (int i = 0; i < 3; ++i) {
    transport_->acquire.Then(
        Failing<v1::AcquireLockResponse>({StatusCode::UNAVAILABLE, "gone", ""}));
  }
  EXPECT_EQ(Run(Doing(paid_)).status, Status::kSucceeded);
  EXPECT_EQ(runs_, 1);
  const auto tries = transport_->acquire.seen();
  ASSERT_EQ(tries.size(), 4u);
  for (const auto& attempt : tries) EXPECT_EQ(attempt.attempt_id(), tries[0].attempt_id());
  EXPECT_EQ(Run(Doing(paid_)).status, Status::kSucceeded);
  EXPECT_NE(transport_->acquire.seen().back().attempt_id(), tries[0].attempt_id());
}

TEST_F(RunOnceTest, NonsenseForAnAnswer_FailsClosed) {
  GrantPlay no_token = Granted(0);
  for (const GrantPlay& nonsense :
       {GrantPlay{}, no_token, AlreadyCompleted(v1::Result::OUTCOME_UNSPECIFIED)}) {
    transport_->acquire.Always(nonsense);
    EXPECT_EQ(Run(Doing(paid_)).status, Status::kUnavailable);
  }
  GrantPlay no_mode = Granted();
  no_mode.response.mutable_grant()->set_mode(v1::Grant::MODE_UNSPECIFIED);
  transport_->acquire.Always(no_mode);
  EXPECT_EQ(Run(Doing(paid_)).status, Status::kInDoubt);
  EXPECT_EQ(runs_, 0);
}

TEST_F(RunOnceTest, NotExecuted_FreesTheKey) {
  const RunResult run = Run(Doing(NotExecuted("not sent")));
  EXPECT_EQ(run.status, Status::kNotExecuted);
  EXPECT_EQ(run.own->detail(), "not sent");
  EXPECT_EQ(ReleasedAs(), v1::ReleaseRequest::NOT_EXECUTED);
  EXPECT_EQ(transport_->release.count(), 1u);
  EXPECT_EQ(transport_->record.count(), 0u);
}

TEST_F(RunOnceTest, NotExecutedInRecover_LeavesTheDoubt) {
  transport_->acquire.Always(Recovering());
  transport_->release.Always(Released(State::IN_DOUBT));
  const RunResult run = Run(Doing(paid_), Doing(NotExecuted()));
  EXPECT_EQ(run.status, Status::kInDoubt);
  EXPECT_TRUE(run.recovered);
  EXPECT_EQ(ReleasedAs(), v1::ReleaseRequest::NOT_EXECUTED);
}

TEST_F(RunOnceTest, NotExecutedAfterAskingInRecover_EndsTheRun) {
  transport_->acquire.Always(Recovering());
  const RunResult run = Run(Doing(paid_), Doing(NotExecuted().AfterAsking()));
  EXPECT_EQ(run.status, Status::kNotExecuted);
  EXPECT_EQ(ReleasedAs(), v1::ReleaseRequest::RUN_NOT_EXECUTED);
}

TEST_F(RunOnceTest, NotExecutedButUndelivered_IsUnrecorded) {
  transport_->release.Always(Lost<v1::ReleaseResponse>());
  const RunResult run = Run(Doing(NotExecuted()));
  EXPECT_EQ(run.status, Status::kUnrecorded);
  EXPECT_EQ(run.own->kind(), Outcome::Kind::kNotExecuted);
  EXPECT_TRUE(run.error);
}

TEST_F(RunOnceTest, NotExecutedButTakenOver_TellsHowTheKeyStands) {
  transport_->release.Always(Failing<v1::ReleaseResponse>(
      Refusal(StatusCode::FAILED_PRECONDITION, "STALE_FENCING_TOKEN")));
  transport_->check.Then(Checked(State::COMPLETED, "pay_2"));
  RunResult run = Run(Doing(NotExecuted()));
  EXPECT_EQ(run.status, Status::kSucceeded);
  EXPECT_TRUE(run.superseded);
  EXPECT_EQ(run.result->provider_reference, "pay_2");
  transport_->check.Then(Checked(State::HELD));
  run = Run(Doing(NotExecuted()));
  EXPECT_EQ(run.status, Status::kInDoubt);
  EXPECT_TRUE(run.superseded);
}

TEST_F(RunOnceTest, Unknown_PutsTheKeyInDoubt) {
  transport_->release.Always(Released(State::IN_DOUBT));
  const RunResult run = Run(Doing(Unknown("timed out")));
  EXPECT_EQ(run.status, Status::kInDoubt);
  EXPECT_EQ(run.own->detail(), "timed out");
  EXPECT_EQ(ReleasedAs(), v1::ReleaseRequest::UNKNOWN);
  EXPECT_EQ(transport_->release.seen().at(0).fencing_token(), 7u);
}

TEST_F(RunOnceTest, Exception_IsUnknownAndHandedBack) {
  const RunResult run = Run([](Attempt&) -> Outcome { throw std::runtime_error("boom"); });
  EXPECT_EQ(run.status, Status::kInDoubt);
  EXPECT_EQ(run.own->kind(), Outcome::Kind::kUnknown);
  EXPECT_EQ(ReleasedAs(), v1::ReleaseRequest::UNKNOWN);
  EXPECT_THROW(std::rethrow_exception(run.exception), std::runtime_error);
}

TEST_F(RunOnceTest, QueryOnlyWithoutRecover_IsInDoubtAndRunsNothing) {
  transport_->acquire.Always(Recovering());
  const RunResult run = Run(Doing(paid_));
  EXPECT_EQ(run.status, Status::kInDoubt);
  EXPECT_TRUE(run.recovered);
  EXPECT_FALSE(run.own);
  EXPECT_EQ(runs_, 0);
  EXPECT_EQ(ReleasedAs(), v1::ReleaseRequest::UNKNOWN);
}

TEST_F(RunOnceTest, QueryOnlyWithRecover_CallsOnlyThat) {
  transport_->acquire.Always(Recovering());
  int recoveries = 0;
  const RunResult run = Run(Doing(paid_), [&](Attempt& attempt) {
    ++recoveries;
    EXPECT_EQ(attempt.mode(), Mode::kRecover);
    EXPECT_EQ(attempt.recover_action(), RecoverAction::kQueryOnly);
    EXPECT_EQ(attempt.attempt_number(), 2u);
    EXPECT_EQ(attempt.checkpoint(), "half way");
    EXPECT_EQ(attempt.previous_holder_id(), "worker-1");
    EXPECT_GE(attempt.doubt_age(), seconds(5));
    EXPECT_EQ(attempt.late_outcomes().at(0).provider_reference, "pay_0");
    return Succeeded({.provider_reference = "pay_0"});
  });
  EXPECT_EQ(run.status, Status::kSucceeded);
  EXPECT_TRUE(run.recovered);
  EXPECT_EQ(recoveries, 1);
  EXPECT_EQ(runs_, 0);
}

TEST_F(RunOnceTest, ResendWithoutRecover_CallsCreateInModeRecover) {
  transport_->acquire.Always(Recovering(7, hours(1)));
  const RunResult run = Run([&](Attempt& attempt) {
    EXPECT_EQ(attempt.mode(), Mode::kRecover);
    EXPECT_EQ(attempt.recover_action(), RecoverAction::kResendSameKey);
    EXPECT_LT(attempt.downstream_key_remaining(), hours(1));
    runtime_->Advance(hours(1));
    EXPECT_EQ(attempt.recover_action(), RecoverAction::kQueryOnly);
    EXPECT_EQ(attempt.downstream_key_remaining(), seconds(0));
    return paid_;
  });
  EXPECT_EQ(run.status, Status::kSucceeded);
}

TEST_F(RunOnceTest, ResendWindowRunOutBeforeTheCall_RunsNothing) {
  // The answer takes 2 s, and the window, counted from the sending, was 2 s.
  GrantPlay grant = Recovering(7, seconds(2));
  grant.delay = seconds(2);
  transport_->acquire.Always(grant);
  const RunResult run = Run(Doing(paid_));
  EXPECT_EQ(run.status, Status::kInDoubt);
  EXPECT_EQ(runs_, 0);
  EXPECT_EQ(ReleasedAs(), v1::ReleaseRequest::UNKNOWN);
}

TEST_F(RunOnceTest, ResendWindowRunOut_WithRecoverIsQueryOnly) {
  GrantPlay grant = Recovering(7, seconds(2));
  grant.delay = seconds(2);
  transport_->acquire.Always(grant);
  const RunResult run = Run(Doing(paid_), [&](Attempt& attempt) {
    EXPECT_EQ(attempt.recover_action(), RecoverAction::kQueryOnly);
    return Unknown();
  });
  EXPECT_EQ(run.status, Status::kInDoubt);
  EXPECT_EQ(runs_, 0);
}

TEST_F(RunOnceTest, LeaseRunOutBeforeTheCall_RunsNothingAndGivesBack) {
  GrantPlay grant = Granted();
  grant.delay = seconds(4);
  *grant.response.mutable_grant()->mutable_lease_remaining() = ToProto(seconds(3));
  transport_->acquire.Always(grant);
  RunResult run = Run(Doing(paid_));
  EXPECT_EQ(run.status, Status::kUnavailable);
  EXPECT_EQ(run.error->reason, "SAFE_UNTIL_REACHED");
  EXPECT_EQ(runs_, 0);
  EXPECT_EQ(ReleasedAs(), v1::ReleaseRequest::NOT_EXECUTED);
  grant.response.mutable_grant()->set_mode(v1::Grant::RECOVER);
  transport_->acquire.Always(grant);
  run = Run(Doing(paid_), Doing(paid_));
  EXPECT_EQ(run.status, Status::kInDoubt);
  EXPECT_EQ(runs_, 0);
}

TEST_F(RunOnceTest, RecordUnanswered_IsHandedBackAsUnrecorded) {
  transport_->record.Always(Lost<v1::RecordResultResponse>());
  const auto began = runtime_->Now();
  const RunResult run = Run(Doing(paid_), nullptr, {.record_timeout = minutes(2)});
  EXPECT_EQ(run.status, Status::kUnrecorded);
  EXPECT_EQ(run.own->fields().provider_reference, "pay_1");
  EXPECT_FALSE(run.result);
  EXPECT_FALSE(run.superseded);
  EXPECT_EQ(run.error->kind, Error::Kind::kUnavailable);
  EXPECT_EQ(runs_, 1);
  EXPECT_GT(transport_->record.count(), 15u);
  EXPECT_LE(runtime_->Now() - began, minutes(2) + seconds(2));
  EXPECT_GE(transport_->renew.count(), 8u) << "the lease is kept while the outcome is underway";
  EXPECT_TRUE(run.delivering);
  EXPECT_EQ(client_.undelivered(), 1u);
  EXPECT_EQ(transport_->release.count(), 0u) << "nobody is to recover what is known";
}

TEST_F(RunOnceTest, RecordRefusedForAnotherReason_IsUnrecorded) {
  transport_->record.Always(
      Failing<v1::RecordResultResponse>(Refusal(StatusCode::NOT_FOUND, "KEY_UNKNOWN")));
  const RunResult run = Run(Doing(paid_));
  EXPECT_EQ(run.status, Status::kUnrecorded);
  EXPECT_EQ(run.error->reason, "KEY_UNKNOWN");
  EXPECT_EQ(run.own->fields().provider_reference, "pay_1");
  EXPECT_EQ(transport_->record.count(), 1u);
}

TEST_F(RunOnceTest, Stale_ReturnsTheResultThatStandsMarkedSuperseded) {
  transport_->record.Always(Failing<v1::RecordResultResponse>(
      Refusal(StatusCode::FAILED_PRECONDITION, "STALE_FENCING_TOKEN")));
  transport_->check.Always(Checked(State::COMPLETED, "pay_2"));
  const RunResult run = Run(Doing(paid_), nullptr, {.wait_timeout = seconds(5)});
  EXPECT_EQ(run.status, Status::kSucceeded);
  EXPECT_TRUE(run.superseded);
  EXPECT_EQ(run.result->provider_reference, "pay_2");
  EXPECT_EQ(run.own->fields().provider_reference, "pay_1");
  EXPECT_EQ(run.error->reason, "STALE_FENCING_TOKEN");
  EXPECT_EQ(transport_->check.seen().at(0).wait_timeout().seconds(), 5);
  EXPECT_EQ(transport_->release.count(), 0u);
}

TEST_F(RunOnceTest, Conflict_ReturnsTheResultThatStandsMarkedSuperseded) {
  transport_->record.Always(Failing<v1::RecordResultResponse>(
      Refusal(StatusCode::FAILED_PRECONDITION, "RESULT_CONFLICT")));
  transport_->check.Always(Checked(State::COMPLETED, "pay_2"));
  const RunResult run = Run(Doing(Rejected({.code = "declined"})));
  EXPECT_EQ(run.status, Status::kSucceeded);
  EXPECT_TRUE(run.superseded);
}

TEST_F(RunOnceTest, StaleWithoutAResultYet_IsUnrecordedAndSuperseded) {
  transport_->record.Always(Failing<v1::RecordResultResponse>(
      Refusal(StatusCode::FAILED_PRECONDITION, "STALE_FENCING_TOKEN")));
  transport_->check.Always(Checked(State::HELD));
  const RunResult run = Run(Doing(paid_));
  EXPECT_EQ(run.status, Status::kUnrecorded);
  EXPECT_TRUE(run.superseded);
  EXPECT_FALSE(run.result);
  EXPECT_EQ(run.own->fields().provider_reference, "pay_1");
}

TEST_F(RunOnceTest, OutcomeAfterTheLeaseIsLost_IsStillRecorded) {
  transport_->renew.Always(Lost<v1::RenewLeaseResponse>());
  const RunResult run = Run([&](Attempt& attempt) {
    runtime_->Advance(minutes(1));
    EXPECT_EQ(attempt.state(), LeaseState::kLost);
    return paid_;
  });
  EXPECT_EQ(run.status, Status::kSucceeded);
}

TEST_F(RunOnceTest, WorkLongerThanTheLease_KeepsIt) {
  const RunResult run = Run([&](Attempt& attempt) {
    runtime_->Advance(minutes(10));
    EXPECT_EQ(attempt.state(), LeaseState::kHeld);
    return paid_;
  });
  EXPECT_EQ(run.status, Status::kSucceeded);
  const std::size_t renewals = transport_->renew.count();
  EXPECT_GE(renewals, 58u);
  EXPECT_LE(renewals, 70u);
  runtime_->Advance(minutes(1));
  EXPECT_EQ(transport_->renew.count(), renewals) << "nobody renews a lease that is over";
}

TEST_F(RunOnceTest, WithoutWork_IsRefusedBeforeAnythingIsAsked) {
  const RunResult run = Run(nullptr);
  EXPECT_EQ(run.status, Status::kRefused);
  EXPECT_EQ(run.error->reason, "CREATE_REQUIRED");
  EXPECT_EQ(transport_->acquire.count(), 0u);
}

TEST_F(RunOnceTest, TextThatIsNoUtf8_ArrivesAllTheSame) {
  const RunResult run = Run(Doing(Succeeded({.provider_reference = "pay\xFF"
                                                                   "1"})));
  EXPECT_EQ(run.status, Status::kSucceeded);
  EXPECT_EQ(transport_->record.seen().at(0).provider_reference(),
            "pay\xEF\xBF\xBD"
            "1");
}

TEST_F(RunOnceTest, HugePayload_DoesNotKeepTheOutcomeFromArriving) {
  const std::string huge(8 << 20, 'x');
  EXPECT_EQ(Run(Doing(Succeeded({.payload = huge}))).status, Status::kSucceeded);
  EXPECT_EQ(transport_->record.seen().at(0).payload().size(), (1u << 20) + 1);
}

TEST(RunStatusTest, EveryStatusHasAName) {
  EXPECT_STREQ(ToString(Status::kInDoubt), "IN_DOUBT");
  EXPECT_STREQ(ToString(Status::kUnrecorded), "UNRECORDED");
  EXPECT_STREQ(ToString(KeyStatus::State::kCompleted), "COMPLETED");
}

}  // namespace
}  // namespace latchkey::inline client::internal
