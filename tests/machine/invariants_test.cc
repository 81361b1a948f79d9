// A checker that cannot fail proves nothing: each invariant is broken by hand, and must say so by
// name.

#include "server/machine/invariants.h"

#include "tests/machine/machine_fixture.h"

namespace latchkey {
namespace {

using Kind = CommandSummary::Kind;

class InvariantsTest : public MachineTest {
 protected:
  InvariantsTest() {
    Acquire("a", [](AcquireLock& request) { request.set_fingerprint("F1"); });
    what_.fencing_token = token();
  }

  std::uint64_t token() const { return key_.record->fencing_token(); }

  // The invariant that the step from the fixture's key to `after` breaks; empty: none.
  std::string Broken(const KeyState& after, Kind kind, const Step& step = {}) {
    what_.kind = kind;
    const auto violation = Invariants::Check(key_, after, step, context_, what_);
    return violation ? std::string(violation->name) : "";
  }

  static Step Durable() {
    Step step;
    step.durable = true;
    return step;
  }

  CommandSummary what_;
};

TEST_F(InvariantsTest, ARenewalIsFine) { EXPECT_EQ(Broken(key_, Kind::kRenewLease), ""); }

TEST_F(InvariantsTest, WatchOverLapsesAndGrantsTakenBack) {
  std::optional<Invariants::Violation> violation;
  KeyState key = key_;
  EXPECT_TRUE(Invariants::Lapse(key, context_, &violation).lapsed);
  ASSERT_TRUE(violation) << "its lease has not run out";
  EXPECT_EQ(violation->name, "L4");

  EXPECT_TRUE(Invariants::UndoGrant(key_, token(), context_, &violation).durable);
  EXPECT_FALSE(violation);
}

TEST_F(InvariantsTest, L1TwoGrants) {
  KeyState after = key_;
  after.record->set_attempt_id("b");
  after.record->set_fencing_token(0);
  after.token_pending = true;
  Step step = Durable();
  step.granted = true;
  EXPECT_EQ(Broken(after, Kind::kAcquireLock, step), "L1");
}

TEST_F(InvariantsTest, L2TokenNotAboveTheHighest) {
  KeyState after = key_;
  key_.record->set_fencing_token(0);
  key_.token_pending = true;
  EXPECT_EQ(Broken(after, Kind::kCommit), "L2");
  --context_.highest_token;
  EXPECT_EQ(Broken(after, Kind::kCommit), "");
}

TEST_F(InvariantsTest, L3TokenChangesItsOwner) {
  KeyState after = key_;
  after.record->set_attempt_id("b");
  EXPECT_EQ(Broken(after, Kind::kRenewLease, Durable()), "L3");
}

TEST_F(InvariantsTest, L4LapseBeforeItsTime) {
  KeyState after = key_;
  after.record->set_state(State::IN_DOUBT);
  after.record->set_doubted(true);
  context_.now.monotonic = key_.lease_deadline - Duration(1);
  EXPECT_EQ(Broken(after, Kind::kLapse, Durable()), "L4");
  context_.now.monotonic = key_.lease_deadline;
  EXPECT_EQ(Broken(after, Kind::kLapse, Durable()), "");
}

TEST_F(InvariantsTest, L4RenewalShortens) {
  KeyState after = key_;
  after.lease_deadline -= Duration(1);
  EXPECT_EQ(Broken(after, Kind::kRenewLease), "L4");
}

TEST_F(InvariantsTest, L5MoreIsToldThanARestartGives) {
  KeyState after = key_;
  after.lease_deadline += seconds(1);
  Step step;
  step.lease_deadline = after.lease_deadline;
  EXPECT_EQ(Broken(after, Kind::kRenewLease, step), "L5");
}

TEST_F(InvariantsTest, L5RestartGivesLess) {
  KeyState after = key_;
  after.lease_deadline -= Duration(1);
  EXPECT_EQ(Broken(after, Kind::kRestart), "L5");
}

TEST_F(InvariantsTest, L6RenewalRevives) {
  KeyState after = key_;
  key_.record->set_state(State::IN_DOUBT);
  EXPECT_EQ(Broken(after, Kind::kRenewLease, Durable()), "L6");
}

TEST_F(InvariantsTest, L7AnotherTokenReleases) {
  what_.fencing_token = token() + 1;
  what_.effect = Release::RUN_NOT_EXECUTED;
  EXPECT_EQ(Broken(KeyState(), Kind::kRelease, Durable()), "L7");
}

TEST_F(InvariantsTest, L7AUsedGrantIsTakenBack) {
  key_.record->set_token_seen(true);
  EXPECT_EQ(Broken(KeyState(), Kind::kUndoGrant, Durable()), "L7");
}

TEST_F(InvariantsTest, I1ContentionChangesTheRecord) {
  KeyState after = key_;
  after.record->set_checkpoint("x");
  what_.fencing_token = 0;
  EXPECT_EQ(Broken(after, Kind::kCheckResult, Durable()), "I1");
}

TEST_F(InvariantsTest, I2AResultChanges) {
  key_.record->set_state(State::COMPLETED);
  key_.record->mutable_result()->set_provider_reference("R1");
  KeyState after = key_;
  after.record->mutable_result()->set_provider_reference("R2");
  EXPECT_EQ(Broken(after, Kind::kRecordResult, Durable()), "I2");
  EXPECT_EQ(Broken(KeyState(), Kind::kRelease, Durable()), "I2");
}

TEST_F(InvariantsTest, I3AStaleClaimantChangesSomething) {
  KeyState after = key_;
  after.record->set_checkpoint("x");
  what_.fencing_token = token() + 1;
  Step step = Durable();
  step.refusal.emplace().reason = Refused::STALE_FENCING_TOKEN;
  EXPECT_EQ(Broken(after, Kind::kRecordResult, step), "I3");
  after = key_;
  after.record->add_late_outcomes()->set_fencing_token(what_.fencing_token);
  EXPECT_EQ(Broken(after, Kind::kRecordResult, step), "I3") << "nobody can have that token";
  GrantElsewhere();
  EXPECT_EQ(Broken(after, Kind::kRecordResult, step), "") << "it is heard";
}

TEST_F(InvariantsTest, I4AnotherFingerprintIsServed) {
  what_.fencing_token = 0;
  what_.fingerprint = "F2";
  EXPECT_EQ(Broken(key_, Kind::kCheckResult), "I4");
  Step step;
  step.refusal.emplace().reason = Refused::FINGERPRINT_MISMATCH;
  EXPECT_EQ(Broken(key_, Kind::kCheckResult, step), "");
  step.refusal->metadata.emplace_back("state", "HELD");
  EXPECT_EQ(Broken(key_, Kind::kCheckResult, step), "I4");
}

TEST_F(InvariantsTest, I5ARunEndsWhileItsOutcomeIsOpen) {
  what_.effect = Release::UNKNOWN;
  EXPECT_EQ(Broken(KeyState(), Kind::kRelease, Durable()), "I5");
  what_.effect = Release::NOT_EXECUTED;
  EXPECT_EQ(Broken(KeyState(), Kind::kRelease, Durable()), "");
}

TEST_F(InvariantsTest, I5ASecondExecuteGrant) {
  key_.record->set_state(State::IN_DOUBT);
  KeyState after = key_;
  after.record->set_state(State::HELD);
  after.record->set_fencing_token(0);
  after.token_pending = true;
  Step step = Durable();
  step.granted = true;
  what_.fencing_token = 0;
  EXPECT_EQ(Broken(after, Kind::kAcquireLock, step), "I5");
}

TEST_F(InvariantsTest, I6ALateOutcomeIsLost) {
  key_.record->add_late_outcomes();
  KeyState after = key_;
  after.record->clear_late_outcomes();
  EXPECT_EQ(Broken(after, Kind::kRenewLease, Durable()), "I6");
}

TEST_F(InvariantsTest, I6ALateComerIsTakenForNew) {
  const KeyState after = key_;
  KeyState granted = after;
  granted.record->set_fencing_token(0);
  granted.token_pending = true;
  key_ = KeyState();
  what_.fencing_token = 0;
  what_.first_sent_at = context_.now.retention - settings_.key_retention;
  Step step = Durable();
  step.granted = true;
  EXPECT_EQ(Broken(granted, Kind::kAcquireLock, step), "I6");
}

TEST_F(InvariantsTest, D1AChangeIsNotDurable) {
  KeyState after = key_;
  after.record->set_checkpoint("x");
  EXPECT_EQ(Broken(after, Kind::kRenewLease), "D1");
  EXPECT_EQ(Broken(key_, Kind::kRenewLease, Durable()), "D1");
}

TEST_F(InvariantsTest, S1TwoAnswersToOneCommand) {
  Step other;
  other.wait = true;
  const auto violation = Invariants::CheckSame(key_, Step(), key_, other);
  ASSERT_TRUE(violation);
  EXPECT_EQ(violation->name, "S1");
  KeyState after = key_;
  after.lease_deadline += Duration(1);
  EXPECT_TRUE(Invariants::CheckSame(key_, Step(), after, Step()));
  EXPECT_FALSE(Invariants::CheckSame(key_, Step(), key_, Step()));
}

}  // namespace
}  // namespace latchkey
