// The shortest traces of what goes wrong where a rule of the contract is missing, as far as they
// concern one record: each double effect, lost result or broken promise is played up to where it
// must not happen.

#include "tests/machine/machine_fixture.h"

namespace latchkey {
namespace {

class ContractTraces : public MachineTest {};

TEST_F(ContractTraces, OnLapseOfARecoverGrantDoesNotForgetTheDoubtOfAnother) {
  for (auto on_lapse : {AcquireLock::FORGET, AcquireLock::FORGET_UNLESS_STARTED}) {
    key_ = KeyState();
    Acquire("a");
    LetLapse();
    Recover("b", on_lapse);
    LetLapse();
    EXPECT_EQ(state(), State::IN_DOUBT);
    EXPECT_EQ(Recover("c")->grant().mode(), v1::Grant::RECOVER);
  }
}

TEST_F(ContractTraces, DoubtAndMarkBelongToTheRun) {
  const auto a = AcquireOnLapse("a", AcquireLock::FORGET_UNLESS_STARTED);
  Mark(Token(a));
  LetLapse();
  EXPECT_EQ(state(), State::IN_DOUBT);
}

TEST_F(ContractTraces, UnsetReleaseOfARecoverGrantKeepsTheDoubt) {
  Acquire("a");
  LetLapse();
  const auto b = Recover("b");
  EXPECT_EQ(GiveBack(Token(b))->state(), State::IN_DOUBT);
}

TEST_F(ContractTraces, UnsetReleaseOfAMarkedGrantIsDoubt) {
  const auto a = Acquire("a");
  Mark(Token(a));
  EXPECT_EQ(GiveBack(Token(a))->state(), State::IN_DOUBT);
}

TEST_F(ContractTraces, AMarkedMutexReleasedUnknownIsDoubt) {
  const auto a = AcquireOnLapse("a", AcquireLock::FORGET);
  Mark(Token(a));
  EXPECT_EQ(GiveBack(Token(a), Release::UNKNOWN)->state(), State::IN_DOUBT);
}

TEST_F(ContractTraces, ALongerRenewalIsDurableAndSurvivesARestart) {
  const auto a = Acquire("a");
  const auto longer = Renew(Token(a), [](v1::RenewLeaseRequest& request) {
    SetProto(seconds(30), request.mutable_lease_duration());
  });
  EXPECT_TRUE(longer.step.durable);
  EXPECT_FALSE(Renew(Token(a)).step.durable);
  Pass(seconds(5));
  Restart();
  EXPECT_EQ(left(), seconds(30));
}

TEST_F(ContractTraces, ARenewalNeverShortens) {
  const auto a = Acquire("a");
  const auto shorter = Renew(Token(a), [](v1::RenewLeaseRequest& request) {
    SetProto(seconds(1), request.mutable_lease_duration());
  });
  EXPECT_EQ(left(), seconds(10));
  EXPECT_EQ(shorter.step.lease_deadline, key_.lease_deadline);
}

TEST_F(ContractTraces, AReplaySaysRecoverToACallerThatUsedItsToken) {
  const auto a = Acquire("a");
  EXPECT_EQ(Acquire("a")->grant().mode(), v1::Grant::EXECUTE);
  EXPECT_TRUE(Renew(Token(a)).step.durable) << "the first use survives a crash";
  const auto again = Acquire("a");
  EXPECT_TRUE(again->grant().replayed());
  EXPECT_EQ(again->grant().mode(), v1::Grant::RECOVER);
  EXPECT_EQ(Token(again), Token(a));
}

TEST_F(ContractTraces, ARefusedRenewalCarriesTheTokenToo) {
  const auto a = Acquire("a");
  context_.creation_refusal = Refused::STORAGE_FULL;
  const auto refused =
      Renew(Token(a), [](v1::RenewLeaseRequest& request) { request.set_checkpoint("step 1"); });
  EXPECT_EQ(refused.reason(), Refused::STORAGE_FULL);
  EXPECT_TRUE(refused.step.durable);
  EXPECT_EQ(Acquire("a")->grant().mode(), v1::Grant::RECOVER);
  EXPECT_EQ(GiveUp("a")->state(), State::HELD);
}

TEST_F(ContractTraces, AnOutcomeForAKeyAlreadyGoneIsHeard) {
  const auto a = Acquire("a");
  LetLapse();
  const auto b = Recover("b");
  EXPECT_EQ(GiveBack(Token(b), Release::RUN_NOT_EXECUTED)->state(), State::ABSENT);
  const auto late = Succeed(Token(a), "R1");
  EXPECT_EQ(late.reason(), Refused::KEY_UNKNOWN);
  EXPECT_TRUE(late.step.durable);
  EXPECT_TRUE(late.step.late_outcome_kept);
  ASSERT_EQ(Look().audit_size(), 1);
  EXPECT_EQ(Look().audit(0).fencing_token(), Token(a));
  EXPECT_NE(Look().audit(0).detail().find("R1"), std::string::npos);
  EXPECT_EQ(state(), State::ABSENT);
  EXPECT_FALSE(Succeed(Token(a), "R1").step.durable) << "heard once";
}

TEST_F(ContractTraces, TheDownstreamKeyIsTheSameInEveryRun) {
  const auto a = Acquire("a");
  GiveBack(Token(a));
  const auto b = Acquire("b");
  EXPECT_EQ(a->grant().downstream_idempotency_key(), b->grant().downstream_idempotency_key());
}

TEST_F(ContractTraces, RecoverActionFollowsTheTtlOfTheRunsFirstGrant) {
  Acquire("a",
          [](AcquireLock& request) { SetProto(hours(24), request.mutable_downstream_key_ttl()); });
  LetLapse();
  Pass(hours(24) - seconds(11));
  const auto b = Acquire("b", [](AcquireLock& request) {
    request.set_accept_recover(true);
    SetProto(hours(1000), request.mutable_downstream_key_ttl());
  });
  EXPECT_EQ(b->grant().recover_action(), v1::Grant::RESEND_SAME_KEY);
  EXPECT_EQ(FromProto(b->grant().downstream_key_remaining()), seconds(1));
  Pass(seconds(1));
  Renew(Token(b));
  const auto replay = Acquire("b");
  EXPECT_EQ(replay->grant().recover_action(), v1::Grant::QUERY_ONLY);
}

TEST_F(ContractTraces, AnUnsureClockMakesItQueryOnly) {
  settings_.downstream_key_ttl = seconds(60);
  Acquire("a");
  LetLapse();
  context_.now.latest += seconds(60);
  EXPECT_EQ(Recover("b")->grant().recover_action(), v1::Grant::QUERY_ONLY);
}

TEST_F(ContractTraces, AnEndlessTtlDoesNotRunOverTheEndOfTime) {
  Acquire("a", [](AcquireLock& request) {
    SetProto(hours(24 * 365 * 146), request.mutable_downstream_key_ttl());
  });
  LetLapse();
  EXPECT_EQ(Recover("b")->grant().recover_action(), v1::Grant::RESEND_SAME_KEY);
}

TEST_F(ContractTraces, PayloadRetentionDoesNotShortenTheKeys) {
  const auto a = Acquire("a");
  Record(Token(a), Outcome::SUCCEEDED, "R1",
         [](v1::RecordResultRequest& request) { SetProto(hours(1), request.mutable_retention()); });
  Pass(hours(2));
  const auto b = Acquire("b");
  ASSERT_TRUE(b->has_completed());
  EXPECT_TRUE(b->completed().result().body_expired());
}

TEST_F(ContractTraces, TheHorizonOutlivesAChangeOfRetention) {
  context_.horizon = context_.now.retention - hours(24 * 7);
  settings_.key_retention = hours(24 * 90);
  const auto late = [&](Duration age) {
    return Acquire("a",
                   [&](AcquireLock& request) {
                     SetProto(context_.now.retention - age, request.mutable_first_sent_at());
                   })
        .reason();
  };
  EXPECT_EQ(late(hours(24 * 8)), Refused::KEY_EXPIRED);
  EXPECT_EQ(late(hours(24 * 7)), Refused::KEY_EXPIRED);
  EXPECT_EQ(late(hours(24 * 7) - Duration(1)), Refused::REASON_UNSPECIFIED);
}

TEST_F(ContractTraces, CheckResultOfALateComerIsKeyExpired) {
  const auto check = [&](Duration age) {
    return Check([&](v1::CheckResultRequest& request) {
             SetProto(context_.now.retention - age, request.mutable_first_sent_at());
           })
        .reason();
  };
  EXPECT_EQ(check(settings_.key_retention), Refused::KEY_EXPIRED);
  EXPECT_EQ(check(settings_.key_retention - Duration(1)), Refused::REASON_UNSPECIFIED);
}

TEST_F(ContractTraces, AnyOtherTokenIsStaleOlderOrNewer) {
  const auto a = Acquire("a");
  LetLapse();
  const auto b = Recover("b");
  GrantElsewhere();
  Succeed(Token(b), "R2");
  for (std::uint64_t token : {Token(a), context_.highest_token}) {
    EXPECT_EQ(Succeed(token, "R2").reason(), Refused::STALE_FENCING_TOKEN);
  }
  EXPECT_EQ(Look().late_outcomes_size(), 2);
}

TEST_F(ContractTraces, ASecondReferenceOfTheSameTokenIsConflictAndIsKept) {
  const auto a = Acquire("a");
  Succeed(Token(a), "R1");
  const auto second = Succeed(Token(a), "R2");
  EXPECT_EQ(second.reason(), Refused::RESULT_CONFLICT);
  EXPECT_TRUE(second.step.durable);
  EXPECT_TRUE(second.step.duplicate_suspected);
  ASSERT_EQ(Look().late_outcomes_size(), 1);
  EXPECT_EQ(Look().late_outcomes(0).provider_reference(), "R2");
  EXPECT_EQ(Look().result().provider_reference(), "R1");
}

TEST_F(ContractTraces, ALateSuccessThatMeetsARejectionIsSuspect) {
  const auto a = Acquire("a");
  LetLapse();
  const auto b = Recover("b");
  Record(Token(b), Outcome::REJECTED, "");
  EXPECT_TRUE(Succeed(Token(a), "R1").step.duplicate_suspected);
  EXPECT_TRUE(Look().duplicate_effect_suspected());
}

TEST_F(ContractTraces, TwoSuccessesWithoutReferencesAreSuspect) {
  const auto a = Acquire("a");
  LetLapse();
  const auto b = Recover("b");
  Succeed(Token(a), "");
  EXPECT_FALSE(Look().duplicate_effect_suspected()) << "one success is no contradiction";
  EXPECT_TRUE(Succeed(Token(b), "").step.duplicate_suspected);
}

TEST_F(ContractTraces, ASuccessThatIsNotStoredAnyMoreIsStillCompared) {
  const auto a = Acquire("a");
  LetLapse();
  const auto b = Recover("b");
  Succeed(Token(b), "R1");
  for (const char* reference : {"1", "2", "3", "4"}) {
    Record(Token(a), Outcome::REJECTED, reference);
  }
  EXPECT_TRUE(Succeed(Token(a), "R2").step.duplicate_suspected);
  EXPECT_EQ(Look().late_outcomes_size(), 4);
  EXPECT_EQ(Look().late_outcome_count(), 5u);
}

TEST_F(ContractTraces, ALapseIsDurableBeforeAnybodyHearsOfIt) {
  Acquire("a");
  EXPECT_TRUE(LetLapse().durable);
  EXPECT_EQ(state(), State::IN_DOUBT);
}

TEST_F(ContractTraces, TheDeadlineCountsFromTheBatchAndIsTheSameForEverybody) {
  const auto a = Acquire("a");
  EXPECT_EQ(a.step.lease_deadline, context_.now.monotonic + seconds(10));
  Pass(seconds(4));
  EXPECT_EQ(Acquire("a").step.lease_deadline, a.step.lease_deadline);
}

TEST_F(ContractTraces, AGrantHasNoTokenBeforeItsCommit) {
  AcquireLock request;
  request.set_attempt_id("a");
  SetProto(seconds(10), request.mutable_lease_duration());
  v1::AcquireLockResponse response;
  const Step step = Decide(key_, request, context_, &response);
  EXPECT_TRUE(step.granted);
  EXPECT_TRUE(key_.token_pending);
  EXPECT_EQ(response.grant().fencing_token(), 0u);
}

TEST_F(ContractTraces, AForcedReleaseIsALapseThatStillHearsItsHolder) {
  const auto a = Acquire("a");
  Pass(seconds(3));
  const auto forced = ForceRelease(Token(a));
  EXPECT_EQ(forced->state(), State::IN_DOUBT);
  EXPECT_EQ(FromProto(forced->unsafe_for()), seconds(7));
  const auto late = Succeed(Token(a));
  EXPECT_TRUE(late.ok());
  EXPECT_TRUE(late->late());
  EXPECT_EQ(state(), State::COMPLETED);
}

TEST_F(ContractTraces, ALiveRecordIsNotDeleted) {
  const auto a = Acquire("a");
  EXPECT_EQ(Delete(Token(a)).reason(), Refused::RECORD_LIVE);
  LetLapse();
  EXPECT_EQ(Delete(Token(a)).reason(), Refused::RECORD_LIVE);
  EXPECT_TRUE(Succeed(Token(a)).ok());
}

TEST_F(ContractTraces, AResolutionDoesNotTouchALateResult) {
  const auto a = Acquire("a");
  LetLapse();
  Succeed(Token(a), "R1");
  const auto resolved = Resolve(Token(a), v1::ResolveOutcomeRequest::REJECTED, "R2");
  EXPECT_EQ(resolved.reason(), Refused::NOT_IN_DOUBT);
  EXPECT_EQ(Look().result().provider_reference(), "R1");
}

TEST_F(ContractTraces, ADeadAttemptIsLikeAnyOtherCaller) {
  const auto a = Acquire("a");
  LetLapse();
  EXPECT_TRUE(Acquire("a")->contention().in_doubt());
  const auto again = Recover("a");
  EXPECT_FALSE(again->grant().replayed());
  EXPECT_EQ(again->grant().attempt_number(), 2u);
  EXPECT_GT(Token(again), Token(a));
}

TEST_F(ContractTraces, ACallerThatNeverGotItsTokenGivesBackByAttempt) {
  Acquire("a");
  const auto released = GiveUp("a");
  EXPECT_EQ(released->state(), State::ABSENT);
  EXPECT_EQ(released.step.ended_attempt, "a");
  context_.attempt_ended = true;
  EXPECT_EQ(Acquire("a").reason(), Refused::ATTEMPT_ENDED);
  context_.attempt_ended = false;
  EXPECT_EQ(Acquire("b")->grant().mode(), v1::Grant::EXECUTE);
}

TEST_F(ContractTraces, GivingUpARecoverGrantKeepsTheDoubt) {
  Acquire("a");
  LetLapse();
  Recover("b");
  EXPECT_EQ(GiveUp("b")->state(), State::IN_DOUBT);
}

TEST_F(ContractTraces, AGrantWhoseReplyNeverLeftIsTakenBack) {
  const auto a = Acquire("a");
  const Step undone = Undo(Token(a));
  EXPECT_TRUE(undone.durable);
  EXPECT_EQ(undone.ended_attempt, "") << "its retry may be granted again";
  EXPECT_EQ(state(), State::ABSENT);
  const auto b = Acquire("b");
  Renew(Token(b));
  EXPECT_FALSE(Undo(Token(b)).durable);
  EXPECT_EQ(state(), State::HELD);
}

TEST_F(ContractTraces, QuotaAndAFullDiskNeverStopTheEndOfSomethingBegun) {
  const auto a = Acquire("a");
  for (Reason refusal : {Refused::QUOTA_EXCEEDED, Refused::STORAGE_FULL}) {
    context_.creation_refusal = refusal;
    EXPECT_TRUE(Acquire("a")->grant().replayed());
    EXPECT_TRUE(Renew(Token(a)).ok());
  }
  LetLapse();
  const auto b = Recover("b");
  EXPECT_TRUE(b->has_grant());
  EXPECT_TRUE(Succeed(Token(b)).ok());
  EXPECT_TRUE(Acquire("c")->has_completed());
  EXPECT_TRUE(Delete(Token(b)).ok());
  EXPECT_EQ(Acquire("d").reason(), Refused::STORAGE_FULL);
}

TEST_F(ContractTraces, APlainMutexIsNeverInDoubt) {
  const auto a = AcquireOnLapse("a", AcquireLock::FORGET);
  EXPECT_EQ(GiveBack(Token(a), Release::UNKNOWN)->state(), State::ABSENT);
  const auto b = AcquireOnLapse("b", AcquireLock::FORGET_UNLESS_STARTED);
  EXPECT_EQ(GiveBack(Token(b), Release::UNKNOWN)->state(), State::IN_DOUBT);
}

TEST_F(ContractTraces, TheFirstFingerprintOfARunIsTheKeys) {
  const auto a = Acquire("a");
  EXPECT_TRUE(AcquireWith("x", "F2")->has_contention()) << "nothing to compare with";
  LetLapse();
  const auto b = Acquire("b", [](AcquireLock& request) {
    request.set_accept_recover(true);
    request.set_fingerprint("F1");
  });
  EXPECT_EQ(AcquireWith("c", "F2").reason(), Refused::FINGERPRINT_MISMATCH);
  GiveBack(Token(b), Release::RUN_NOT_EXECUTED);
  EXPECT_TRUE(AcquireWith("c", "F2")->has_grant()) << "the next run may bring another";
}

TEST_F(ContractTraces, AnAttemptIdSharedByTwoCallersSharesNoHold) {
  Acquire("a");
  const auto other = Acquire("a", [](AcquireLock& request) { request.set_holder_id("other"); });
  EXPECT_TRUE(other->has_contention());
}

TEST_F(ContractTraces, CheckResultWaitsThroughEveryStateButCompleted) {
  const auto check = [&] {
    return Check([](v1::CheckResultRequest& request) {
             SetProto(seconds(1), request.mutable_wait_timeout());
           })
        .step.wait;
  };
  EXPECT_TRUE(check());
  const auto a = Acquire("a");
  EXPECT_TRUE(check());
  LetLapse();
  EXPECT_TRUE(check());
  Succeed(Token(a));
  EXPECT_FALSE(check());
}

TEST_F(ContractTraces, AResolutionIsRepeatableWhateverWasHeardSince) {
  const auto a = Acquire("a");
  LetLapse();
  const auto b = Recover("b");
  Succeed(Token(a), "R1");
  LetLapse();
  for (int i = 0; i < 2; ++i) {
    const auto resolved = Resolve(Token(b), v1::ResolveOutcomeRequest::NOT_EXECUTED);
    EXPECT_TRUE(resolved.ok());
    EXPECT_EQ(resolved.step.durable, i == 0);
  }
  EXPECT_EQ(Look().audit_size(), 2) << "the resolution and what was heard late";
}

TEST_F(ContractTraces, AResolutionEndsNoAttempt) {
  const auto a = Acquire("a");
  LetLapse();
  const auto resolved = Resolve(Token(a), v1::ResolveOutcomeRequest::NOT_EXECUTED);
  EXPECT_EQ(resolved.step.ended_attempt, "") << "after a lapse: as any other caller";
}

}  // namespace
}  // namespace latchkey
