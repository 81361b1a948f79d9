// What each call answers in each state, for the newest token and for any other: the table of
// CONTRACT section 3, cell by cell, and the order in which refusals are looked for.

#include "tests/machine/machine_fixture.h"

namespace latchkey {
namespace {

class ContractTable : public MachineTest {
 protected:
  // Brings the key into a state; its newest token is the answer, `old_` another one that it had.
  std::uint64_t Bring(State::State to) {
    old_ = Token(Acquire("first"));
    LetLapse();
    const std::uint64_t token = Token(Recover("second"));
    if (to == State::ABSENT) GiveBack(token, Release::RUN_NOT_EXECUTED);
    if (to == State::IN_DOUBT) LetLapse();
    if (to == State::COMPLETED) Succeed(token, "R1");
    EXPECT_EQ(state(), to);
    return token;
  }

  std::uint64_t old_ = 0;
};

constexpr Reason kOk = Refused::REASON_UNSPECIFIED;

TEST_F(ContractTable, AcquireOnAbsent) {
  Bring(State::ABSENT);
  const auto grant = Acquire("a");
  ASSERT_TRUE(grant->has_grant());
  EXPECT_EQ(grant->grant().mode(), v1::Grant::EXECUTE);
  EXPECT_EQ(grant->grant().recover_action(), v1::Grant::RECOVER_ACTION_UNSPECIFIED);
  EXPECT_EQ(grant->grant().attempt_number(), 1u);
  EXPECT_EQ(grant->grant().previous_holder_id(), "") << "another run's";
  EXPECT_EQ(Token(grant), context_.highest_token);
}

TEST_F(ContractTable, AcquireOnAbsentAsksForTheEndedAttemptThenAgeThenQuota) {
  context_.attempt_ended = true;
  context_.creation_refusal = Refused::QUOTA_EXCEEDED;
  const auto old = [&](AcquireLock& request) {
    SetProto(context_.now.retention - settings_.key_retention, request.mutable_first_sent_at());
  };
  EXPECT_EQ(Acquire("a", old).reason(), Refused::ATTEMPT_ENDED);
  context_.attempt_ended = false;
  EXPECT_EQ(Acquire("a", old).reason(), Refused::KEY_EXPIRED);
  EXPECT_EQ(Acquire("a").reason(), Refused::QUOTA_EXCEEDED);
  context_.creation_refusal = kOk;
  EXPECT_EQ(Acquire("a").reason(), kOk);
}

TEST_F(ContractTable, AcquireOnHeldReplaysToItsAttempt) {
  const std::uint64_t token = Bring(State::HELD);
  Pass(seconds(3));
  context_.attempt_ended = true;
  const auto replay = Acquire("second");
  EXPECT_TRUE(replay->grant().replayed());
  EXPECT_EQ(Token(replay), token);
  EXPECT_FALSE(replay.step.granted);
  EXPECT_EQ(replay.step.lease_deadline, context_.now.monotonic + seconds(7)) << "not extended";
}

TEST_F(ContractTable, AcquireOnHeldWaitsOrContends) {
  Bring(State::HELD);
  context_.waiters = 2;
  const auto try_once = Acquire("a");
  EXPECT_FALSE(try_once.step.wait);
  const v1::Contention& contention = try_once->contention();
  EXPECT_EQ(contention.holder_id(), "second's");
  EXPECT_FALSE(contention.in_doubt());
  EXPECT_EQ(contention.queue_position(), 3u);
  EXPECT_EQ(contention.waiters(), 2u);
  EXPECT_EQ(FromProto(contention.retry_after()), seconds(10));
  const auto waits = Acquire(
      "a", [](AcquireLock& request) { SetProto(seconds(1), request.mutable_wait_timeout()); });
  EXPECT_TRUE(waits.step.wait);
  EXPECT_TRUE(waits->has_contention()) << "for when its time is up";
}

TEST_F(ContractTable, RetryAfterNeverExceedsTheLease) {
  Bring(State::HELD);
  Pass(seconds(10) - Duration(1));
  EXPECT_EQ(FromProto(Acquire("a")->contention().retry_after()), Duration(1));
  Pass(Duration(1));
  EXPECT_GT(FromProto(Acquire("a")->contention().retry_after()), Duration::zero());
}

TEST_F(ContractTable, AcquireOnHeldRefusesTheEndedAttempt) {
  Bring(State::HELD);
  context_.attempt_ended = true;
  EXPECT_EQ(Acquire("first").reason(), Refused::ATTEMPT_ENDED);
}

TEST_F(ContractTable, AcquireInDoubt) {
  const std::uint64_t token = Bring(State::IN_DOUBT);
  Pass(seconds(5));
  const auto blind = Acquire("a");
  EXPECT_TRUE(blind->contention().in_doubt());
  EXPECT_FALSE(blind.step.wait);
  const auto grant = Recover("a");
  EXPECT_EQ(grant->grant().mode(), v1::Grant::RECOVER);
  EXPECT_EQ(grant->grant().recover_action(), v1::Grant::QUERY_ONLY);
  EXPECT_EQ(grant->grant().attempt_number(), 3u);
  EXPECT_EQ(grant->grant().previous_holder_id(), "second's");
  EXPECT_EQ(FromProto(grant->grant().doubt_age()), seconds(5));
  EXPECT_GT(Token(grant), token);
  EXPECT_EQ(grant.step.ended_attempt, "second") << "superseded";
}

TEST_F(ContractTable, AcquireInDoubtWithoutAcceptRecoverWaitsWhereItMay) {
  Bring(State::IN_DOUBT);
  const auto waits = Acquire(
      "a", [](AcquireLock& request) { SetProto(seconds(1), request.mutable_wait_timeout()); });
  EXPECT_TRUE(waits.step.wait);
  EXPECT_TRUE(waits->contention().in_doubt());
}

TEST_F(ContractTable, AcquireOnCompleted) {
  Bring(State::COMPLETED);
  context_.attempt_ended = true;
  Pass(hours(1));
  const auto completed = Recover("a");
  ASSERT_TRUE(completed->has_completed());
  EXPECT_EQ(completed->completed().result().provider_reference(), "R1");
  EXPECT_EQ(FromProto(completed->completed().body_expires_in()),
            settings_.payload_retention - hours(1));
  EXPECT_EQ(FromProto(completed->completed().key_expires_in()), settings_.key_retention - hours(1));
  EXPECT_FALSE(completed.step.durable);
}

TEST_F(ContractTable, Renew) {
  EXPECT_EQ(Renew(Bring(State::ABSENT)).reason(), Refused::KEY_UNKNOWN);
  EXPECT_EQ(Renew(Bring(State::HELD)).reason(), kOk);
  key_ = KeyState();
  EXPECT_EQ(Renew(Bring(State::IN_DOUBT)).reason(), Refused::LEASE_EXPIRED);
  key_ = KeyState();
  EXPECT_EQ(Renew(Bring(State::COMPLETED)).reason(), Refused::ALREADY_COMPLETED);
}

TEST_F(ContractTable, RecordOnAbsent) {
  EXPECT_EQ(Succeed(Bring(State::ABSENT)).reason(), Refused::KEY_UNKNOWN);
  EXPECT_EQ(state(), State::ABSENT);
  EXPECT_EQ(Look().audit_size(), 1);
  EXPECT_FALSE(Succeed(context_.highest_token + 1).step.durable) << "a token nobody was given";
  EXPECT_EQ(Look().audit_size(), 1);
}

TEST_F(ContractTable, RecordOnHeld) {
  const auto recorded = Succeed(Bring(State::HELD));
  EXPECT_TRUE(recorded.step.durable);
  EXPECT_FALSE(recorded->late());
  EXPECT_FALSE(recorded->already_recorded());
  EXPECT_EQ(state(), State::COMPLETED);
}

TEST_F(ContractTable, RecordInDoubtIsLate) {
  const auto recorded = Succeed(Bring(State::IN_DOUBT));
  EXPECT_TRUE(recorded->late());
  EXPECT_TRUE(recorded->result().late());
  EXPECT_EQ(state(), State::COMPLETED);
}

TEST_F(ContractTable, RecordOnCompleted) {
  const std::uint64_t token = Bring(State::COMPLETED);
  const auto same = Succeed(token, "R1");
  EXPECT_TRUE(same->already_recorded());
  EXPECT_FALSE(same.step.durable);
  const auto other = Succeed(token, "R2");
  EXPECT_EQ(other.reason(), Refused::RESULT_CONFLICT);
  const auto& metadata = other.step.refusal->metadata;
  EXPECT_NE(
      std::ranges::find(metadata, std::pair<std::string, std::string>("provider_reference", "R1")),
      metadata.end());
}

TEST_F(ContractTable, ReleaseOnAbsent) {
  const std::uint64_t token = Bring(State::ABSENT);
  EXPECT_EQ(GiveBack(token)->state(), State::ABSENT);
  EXPECT_EQ(GiveBack(context_.highest_token).reason(), kOk);
  EXPECT_EQ(GiveBack(context_.highest_token + 1).reason(), Refused::KEY_UNKNOWN);
  EXPECT_EQ(GiveUp("nobody").reason(), kOk);
}

TEST_F(ContractTable, ReleaseOnHeldExecute) {
  const std::pair<Release::Effect, State::State> kCases[] = {
      {Release::EFFECT_UNSPECIFIED, State::ABSENT},
      {Release::NOT_EXECUTED, State::ABSENT},
      {Release::UNKNOWN, State::IN_DOUBT},
      {Release::RUN_NOT_EXECUTED, State::ABSENT}};
  for (const auto& [effect, after] : kCases) {
    key_ = KeyState();
    const auto released = GiveBack(Token(Acquire("a")), effect);
    EXPECT_EQ(released->state(), after) << Release::Effect_Name(effect);
    EXPECT_EQ(released.step.ended_attempt, "a");
  }
}

TEST_F(ContractTable, ReleaseOnHeldRecover) {
  const std::pair<Release::Effect, State::State> kCases[] = {
      {Release::EFFECT_UNSPECIFIED, State::IN_DOUBT},
      {Release::NOT_EXECUTED, State::IN_DOUBT},
      {Release::UNKNOWN, State::IN_DOUBT},
      {Release::RUN_NOT_EXECUTED, State::ABSENT}};
  for (const auto& [effect, after] : kCases) {
    key_ = KeyState();
    EXPECT_EQ(GiveBack(Bring(State::HELD), effect)->state(), after);
  }
}

TEST_F(ContractTable, ReleaseInDoubtOfAnExecuteGrant) {
  const std::pair<Release::Effect, State::State> kCases[] = {
      {Release::EFFECT_UNSPECIFIED, State::IN_DOUBT},
      {Release::NOT_EXECUTED, State::ABSENT},
      {Release::UNKNOWN, State::IN_DOUBT},
      {Release::RUN_NOT_EXECUTED, State::ABSENT}};
  for (const auto& [effect, after] : kCases) {
    key_ = KeyState();
    const std::uint64_t token = Token(Acquire("a"));
    LetLapse();
    const auto released = GiveBack(token, effect);
    EXPECT_EQ(released->state(), after) << Release::Effect_Name(effect);
    EXPECT_EQ(released.step.durable, after == State::ABSENT);
  }
}

TEST_F(ContractTable, ReleaseInDoubtOfARecoverGrant) {
  EXPECT_EQ(GiveBack(Bring(State::IN_DOUBT), Release::NOT_EXECUTED)->state(), State::IN_DOUBT);
  key_ = KeyState();
  EXPECT_EQ(GiveBack(Bring(State::IN_DOUBT), Release::RUN_NOT_EXECUTED)->state(), State::ABSENT);
}

TEST_F(ContractTable, ReleaseOnCompleted) {
  const std::uint64_t token = Bring(State::COMPLETED);
  for (auto effect : {Release::EFFECT_UNSPECIFIED, Release::RUN_NOT_EXECUTED}) {
    const auto released = GiveBack(token, effect);
    EXPECT_EQ(released->state(), State::COMPLETED);
    EXPECT_FALSE(released.step.durable);
  }
}

TEST_F(ContractTable, AnyOtherTokenIsStale) {
  for (auto to : {State::HELD, State::IN_DOUBT, State::COMPLETED}) {
    key_ = KeyState();
    Bring(to);
    GrantElsewhere();
    for (std::uint64_t token : {old_, context_.highest_token, context_.highest_token + 7}) {
      EXPECT_EQ(Renew(token).reason(), Refused::STALE_FENCING_TOKEN);
      EXPECT_EQ(GiveBack(token, Release::RUN_NOT_EXECUTED).reason(), Refused::STALE_FENCING_TOKEN);
      EXPECT_EQ(Succeed(token).reason(), Refused::STALE_FENCING_TOKEN);
      EXPECT_EQ(ForceRelease(token).reason(), Refused::STALE_FENCING_TOKEN);
      EXPECT_EQ(Delete(token).reason(), Refused::STALE_FENCING_TOKEN);
      EXPECT_EQ(Resolve(token, v1::ResolveOutcomeRequest::SUCCEEDED).reason(),
                Refused::STALE_FENCING_TOKEN);
      EXPECT_EQ(state(), to);
    }
  }
}

TEST_F(ContractTable, FingerprintIsLookedAtBeforeStateAndAge) {
  const std::uint64_t token = Token(AcquireWith("a", "F1"));
  context_.attempt_ended = true;
  EXPECT_EQ(AcquireWith("a", "F2").reason(), Refused::FINGERPRINT_MISMATCH) << "before the replay";
  Succeed(token);
  EXPECT_EQ(AcquireWith("b", "F2").reason(), Refused::FINGERPRINT_MISMATCH);
  Pass(settings_.key_retention);
  EXPECT_EQ(AcquireWith("b", "F2").reason(), Refused::FINGERPRINT_MISMATCH);
  EXPECT_EQ(AcquireWith("b", "F1").reason(), Refused::KEY_EXPIRED);
}

TEST_F(ContractTable, CheckResult) {
  Bring(State::ABSENT);
  EXPECT_EQ(Check()->state(), State::ABSENT);
  EXPECT_EQ(Check()->attempt_number(), 0u);
  for (auto to : {State::HELD, State::IN_DOUBT, State::COMPLETED}) {
    key_ = KeyState();
    Bring(to);
    const auto seen = Check();
    EXPECT_EQ(seen->state(), to);
    EXPECT_EQ(seen->attempt_number(), 2u);
    EXPECT_EQ(seen->holder_id(), "second's");
    EXPECT_EQ(seen->has_result(), to == State::COMPLETED);
    EXPECT_EQ(seen->has_retry_after(), to != State::COMPLETED);
  }
}

TEST_F(ContractTable, ResolveOutcome) {
  using Verdict = v1::ResolveOutcomeRequest;
  for (auto to : {State::ABSENT, State::HELD, State::COMPLETED}) {
    key_ = KeyState();
    EXPECT_EQ(Resolve(Bring(to), Verdict::SUCCEEDED).reason(), Refused::NOT_IN_DOUBT);
  }
  const std::pair<Verdict::Outcome, State::State> kCases[] = {
      {Verdict::SUCCEEDED, State::COMPLETED},
      {Verdict::REJECTED, State::COMPLETED},
      {Verdict::NOT_EXECUTED, State::ABSENT}};
  for (const auto& [verdict, after] : kCases) {
    key_ = KeyState();
    const std::uint64_t token = Bring(State::IN_DOUBT);
    EXPECT_TRUE(Resolve(token, verdict, "R1").step.durable);
    EXPECT_EQ(state(), after);
    const auto repeated = Resolve(token, verdict, "R1");
    EXPECT_TRUE(repeated.ok());
    EXPECT_FALSE(repeated.step.durable);
    ASSERT_EQ(Look().audit_size(), 1);
    EXPECT_EQ(Look().audit(0).actor(), "ops");
    EXPECT_EQ(Look().audit(0).reason(), "looked into it");
    EXPECT_EQ(Look().audit(0).fencing_token(), token);
  }
}

TEST_F(ContractTable, ForceRelease) {
  const std::uint64_t gone = Bring(State::ABSENT);
  EXPECT_EQ(ForceRelease(gone)->state(), State::ABSENT);
  EXPECT_EQ(ForceRelease(context_.highest_token + 1).reason(), Refused::KEY_UNKNOWN);
  const auto forced = ForceRelease(Bring(State::HELD));
  EXPECT_EQ(forced->state(), State::IN_DOUBT);
  EXPECT_TRUE(forced.step.lapsed);
  EXPECT_EQ(Look().audit_size(), 1);
  for (auto to : {State::IN_DOUBT, State::COMPLETED}) {
    key_ = KeyState();
    const auto repeated = ForceRelease(Bring(to));
    EXPECT_EQ(repeated->state(), to);
    EXPECT_FALSE(repeated.step.durable);
  }
}

TEST_F(ContractTable, DeleteRecord) {
  const std::uint64_t token = Bring(State::COMPLETED);
  EXPECT_TRUE(Delete(token).step.durable);
  EXPECT_EQ(state(), State::ABSENT);
  EXPECT_EQ(Look().audit_size(), 1);
  EXPECT_FALSE(Delete(token).step.durable);
  EXPECT_EQ(Delete(context_.highest_token + 1).reason(), Refused::KEY_UNKNOWN);
  EXPECT_EQ(Acquire("a")->grant().mode(), v1::Grant::EXECUTE);
  EXPECT_EQ(Look().audit_size(), 1) << "the new run keeps what operators did";
}

}  // namespace
}  // namespace latchkey
