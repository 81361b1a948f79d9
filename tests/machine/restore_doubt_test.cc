// Rule 17: what a store that was restored from a backup may still say, and what it may not.

#include "tests/machine/machine_fixture.h"

namespace latchkey {
namespace {

class RestoreDoubtTest : public MachineTest {
 protected:
  // A restore, an hour after the backup; whatever the key is by then was in the backup.
  void RestoreNow() {
    context_.restore.unknown_since = context_.now.latest;
    Pass(hours(1));
    context_.restore.at = context_.now.latest;
    context_.restore.in_doubt = true;
    context_.highest_token += 1'000;
    context_.restore.fencing_token = context_.highest_token;
    if (state() == State::HELD) key_.lease_deadline = context_.now.monotonic;
  }
  void ClearDoubt() {
    context_.restore.in_doubt = false;
    context_.restore.at = context_.restore.unknown_since = {};
  }
  Reply<v1::AcquireLockResponse> AcquireSentAt(const std::string& attempt, WallTime sent) {
    return Acquire(attempt, [&](AcquireLock& request) {
      SetProto(sent, request.mutable_first_sent_at());
      request.set_accept_recover(true);
    });
  }
};

TEST_F(RestoreDoubtTest, AnAbsentKeyIsGrantedToRecover) {
  settings_.downstream_key_ttl = hours(24);
  RestoreNow();
  const auto a = Recover("a");
  EXPECT_EQ(a->grant().mode(), v1::Grant::RECOVER);
  EXPECT_EQ(a->grant().recover_action(), v1::Grant::RESEND_SAME_KEY);
  EXPECT_EQ(FromProto(a->grant().downstream_key_remaining()), hours(23))
      << "the provider may have seen the key as soon as the backup was made";
  EXPECT_EQ(a->grant().attempt_number(), 1u);
  EXPECT_GT(Token(a), context_.restore.fencing_token);
}

TEST_F(RestoreDoubtTest, TheProviderIsOnlyAskedOnceItsWindowMayBeOver) {
  settings_.downstream_key_ttl = hours(1);
  RestoreNow();
  EXPECT_EQ(Recover("a")->grant().recover_action(), v1::Grant::QUERY_ONLY);
}

TEST_F(RestoreDoubtTest, OneWhoDoesNotAcceptIsToldOfTheDoubtAndMayWait) {
  RestoreNow();
  const auto a = Acquire("a");
  EXPECT_TRUE(a->contention().in_doubt());
  EXPECT_EQ(a->contention().holder_id(), "");
  EXPECT_GT(a->contention().retry_after().seconds(), 0);
  EXPECT_FALSE(a.step.wait);
  EXPECT_EQ(state(), State::ABSENT);
  const auto b = Acquire(
      "b", [](AcquireLock& request) { SetProto(seconds(1), request.mutable_wait_timeout()); });
  EXPECT_TRUE(b.step.wait);
}

TEST_F(RestoreDoubtTest, WorkThatIsNewerThanTheRestoreRunsAsEver) {
  RestoreNow();
  EXPECT_EQ(AcquireSentAt("a", context_.restore.at)->grant().mode(), v1::Grant::RECOVER);
  EXPECT_EQ(GiveBack(context_.highest_token, Release::RUN_NOT_EXECUTED)->state(), State::ABSENT);
  const auto b = AcquireSentAt("b", context_.restore.at + Duration(1));
  EXPECT_EQ(b->grant().mode(), v1::Grant::EXECUTE);
}

TEST_F(RestoreDoubtTest, OnceItIsClearedAnAbsentKeyRunsAsEver) {
  RestoreNow();
  ClearDoubt();
  EXPECT_EQ(Acquire("a")->grant().mode(), v1::Grant::EXECUTE);
}

TEST_F(RestoreDoubtTest, ARunThatItBeganStaysInDoubtAlsoWhenItIsCleared) {
  RestoreNow();
  Recover("a", AcquireLock::FORGET);
  ClearDoubt();
  LetLapse();
  EXPECT_EQ(state(), State::IN_DOUBT);
  EXPECT_TRUE(Acquire("b")->contention().in_doubt());
  EXPECT_EQ(GiveBack(Token(Recover("c")), Release::NOT_EXECUTED)->state(), State::IN_DOUBT);
}

TEST_F(RestoreDoubtTest, TheDoubtIsNoOlderThanTheLastLeaseThatMayHaveBeenGranted) {
  limits_.lease_duration_max = hours(1);
  RestoreNow();
  const auto a = Recover("a");
  EXPECT_EQ(FromProto(a->grant().doubt_age()), Duration::zero());
  GiveBack(Token(a), Release::UNKNOWN);
  Pass(hours(1) - Duration(1));
  const auto b = Recover("b");
  EXPECT_EQ(FromProto(b->grant().doubt_age()), Duration::zero());
  Pass(seconds(3));
  EXPECT_EQ(FromProto(Recover("b")->grant().doubt_age()), seconds(3) - Duration(1));
}

TEST_F(RestoreDoubtTest, AResultThatTheBackupHasStands) {
  const auto a = Acquire("a");
  Succeed(Token(a));
  RestoreNow();
  EXPECT_TRUE(Acquire("b")->has_completed());
}

TEST_F(RestoreDoubtTest, AHolderInTheBackupIsHeardAndDoesNotHoldAnyMore) {
  const auto a = Acquire("a");
  RestoreNow();
  LetLapse();
  EXPECT_EQ(state(), State::IN_DOUBT);
  EXPECT_EQ(Renew(Token(a)).reason(), Refused::LEASE_EXPIRED);
  const auto recorded = Succeed(Token(a));
  EXPECT_TRUE(recorded->late());
  EXPECT_EQ(state(), State::COMPLETED);
}

TEST_F(RestoreDoubtTest, AHolderThatMayHaveMarkedAfterTheBackupLeavesDoubt) {
  AcquireOnLapse("a", AcquireLock::FORGET_UNLESS_STARTED);
  RestoreNow();
  LetLapse();
  EXPECT_EQ(state(), State::IN_DOUBT);
}

TEST_F(RestoreDoubtTest, APlainMutexIsForgotten) {
  AcquireOnLapse("a", AcquireLock::FORGET);
  RestoreNow();
  LetLapse();
  EXPECT_EQ(state(), State::ABSENT);
}

TEST_F(RestoreDoubtTest, AGrantAfterTheRestoreIsForgottenAsItsHolderAsked) {
  RestoreNow();
  const auto a = Acquire("a", [&](AcquireLock& request) {
    SetProto(context_.now.latest + seconds(1), request.mutable_first_sent_at());
    request.set_on_lapse(AcquireLock::FORGET_UNLESS_STARTED);
  });
  ASSERT_EQ(a->grant().mode(), v1::Grant::EXECUTE);
  LetLapse();
  EXPECT_EQ(state(), State::ABSENT);
}

TEST_F(RestoreDoubtTest, ATokenOfTheLostStoreIsHeardAsOneThatWasGiven) {
  RestoreNow();
  EXPECT_EQ(Succeed(context_.restore.fencing_token).reason(), Refused::KEY_UNKNOWN);
  EXPECT_EQ(Look().audit_size(), 1) << "the outcome is kept";
  Recover("a");
  EXPECT_EQ(Succeed(context_.restore.fencing_token).reason(), Refused::STALE_FENCING_TOKEN);
  EXPECT_EQ(Look().late_outcomes_size(), 1);
}

}  // namespace
}  // namespace latchkey
