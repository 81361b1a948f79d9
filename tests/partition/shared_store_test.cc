// Several servers over one store: whatever each of them has heard, or has not, the store decides.

#include "tests/partition/shared_servers.h"
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using State = v1::CheckResultResponse;

class SharedStoreTest : public testing::Test {
 protected:
  // Lets time pass on all servers.
  void Pass(Duration time, std::initializer_list<SharedServer*> servers) {
    while (time > Duration::zero()) {
      const Duration step = std::min<Duration>(time, 100ms);
      world_.clock.Advance(step);
      time -= step;
      for (SharedServer* server : servers) server->Run();
    }
  }
  State::State Stored(const std::string& key) {
    const auto loaded =
        world_.memory.Load(std::vector{storage::MakeStoreKey("default", key)})->front();
    return loaded.record.has_value() ? loaded.record->state() : State::ABSENT;
  }

  SharedWorld world_;
  SharedServer a_{world_};
  SharedServer b_{world_};
};

TEST_F(SharedStoreTest, OfTwoServersThatGrantOneKeyOneDoes) {
  b_.deaf = true;
  const auto& first = a_.Do(Acquire("k", "one"));
  const auto& second = b_.Do(Acquire("k", "two"));
  EXPECT_TRUE(first.granted());
  ASSERT_TRUE(second.contended());
  EXPECT_EQ(second.contention().holder_id(), "one");
  EXPECT_EQ(a_.grants() + b_.grants(), 1) << "what did not happen is not counted";
}

TEST_F(SharedStoreTest, AServerThatHasHeardNothingAnswersFromTheStore) {
  b_.deaf = true;
  const std::uint64_t token = a_.Do(Acquire("k", "one")).token();
  const auto& checked = b_.Do(Check("k"));
  EXPECT_EQ(checked.response().state(), State::HELD);
  EXPECT_TRUE(b_.Do(Renew("k", token)).ok());
  EXPECT_EQ(b_.Do(Succeed("k", token)).reason(), v1::Refusal::REASON_UNSPECIFIED);
  EXPECT_EQ(Stored("k"), State::COMPLETED);
  a_.deaf = true;  // and still takes it for held
  EXPECT_TRUE(a_.Do(Acquire("k", "two")).completed());
  EXPECT_EQ(a_.Do(Check("k")).response().state(), State::COMPLETED);
  EXPECT_EQ(a_.Do(Renew("k", token)).reason(), v1::Refusal::ALREADY_COMPLETED);
  EXPECT_TRUE(a_.Do(Succeed("k", token)).response().already_recorded());
}

TEST_F(SharedStoreTest, AnAnswerFromMemoryIsConfirmedByACommitThatBeganAfterTheCallCame) {
  a_.Do(Acquire("k", "one"));
  const int before = a_.commits();
  EXPECT_TRUE(a_.Do(Acquire("k", "two")).contended());
  EXPECT_EQ(a_.commits(), before + 1);
  // Between the decision and its commit another server ends the run.
  const std::uint64_t token = a_.Do(Get("k")).response().record().fencing_token();
  a_.before_commit = [&] { EXPECT_TRUE(b_.Do(Succeed("k", token)).ok()); };
  EXPECT_TRUE(a_.Do(Acquire("k", "three")).completed());
}

TEST_F(SharedStoreTest, TokensOfAllServersRise) {
  std::uint64_t last = 0;
  for (int i = 0; i < 20; ++i) {
    SharedServer& server = i % 2 == 0 ? a_ : b_;
    const std::uint64_t token = server.Do(Acquire("k" + std::to_string(i), "one")).token();
    EXPECT_GT(token, last);
    last = token;
  }
}

TEST_F(SharedStoreTest, AWaiterIsServedWhenAnotherServerFreesTheKey) {
  const std::uint64_t token = a_.Do(Acquire("k", "one")).token();
  auto& waiting = b_.Do(Await("k", "two"));
  EXPECT_FALSE(waiting.finished());
  EXPECT_TRUE(a_.Do(Release("k", token)).ok());
  EXPECT_FALSE(waiting.finished());
  b_.Run();
  EXPECT_TRUE(waiting.granted());
  EXPECT_GT(waiting.token(), token);
  EXPECT_EQ(b_.waiters(), 0u);
}

TEST_F(SharedStoreTest, AWaiterIsServedWhenItsOwnServerFreesTheKey) {
  const std::uint64_t token = a_.Do(Acquire("k", "one")).token();
  auto& second = a_.Do(Await("k", "two"));
  auto& third = a_.Do(Await("k", "three"));
  EXPECT_TRUE(a_.Do(Release("k", token)).ok());
  ASSERT_TRUE(second.granted());
  EXPECT_FALSE(third.finished());
  a_.Do(Release("k", second.token()));
  EXPECT_TRUE(third.granted());
}

TEST_F(SharedStoreTest, NobodyOvertakesTheWaitersOfItsOwnServer) {
  const std::uint64_t token = a_.Do(Acquire("k", "one")).token();
  auto& waiting = b_.Do(Await("k", "two"));
  a_.Do(Release("k", token));
  // It comes in the very round in which the server hears that the key is free.
  auto& late = b_.Do(Acquire("k", "late"));
  EXPECT_TRUE(waiting.granted());
  EXPECT_TRUE(late.contended());
}

TEST_F(SharedStoreTest, WaitersOfTwoServersGetTheKeyOneAfterTheOther) {
  std::uint64_t token = a_.Do(Acquire("k", "one")).token();
  auto& on_a = a_.Do(Await("k", "a"));
  auto& on_b = b_.Do(Await("k", "b"));
  a_.Do(Release("k", token));
  b_.Run();
  ASSERT_NE(on_a.granted(), on_b.granted());
  auto& first = on_a.granted() ? on_a : on_b;
  auto& second = on_a.granted() ? on_b : on_a;
  SharedServer& server = on_a.granted() ? a_ : b_;
  EXPECT_FALSE(second.finished());
  server.Do(Release("k", first.token()));
  a_.Run();
  b_.Run();
  EXPECT_TRUE(second.granted());
}

TEST_F(SharedStoreTest, AResultAnswersTheWaitersOfAllServers) {
  const std::uint64_t token = a_.Do(Acquire("k", "one")).token();
  auto& acquire = b_.Do(Await("k", "two"));
  auto& check = b_.Do(Check("k", 30s));
  auto& here = a_.Do(Check("k", 30s));
  EXPECT_TRUE(a_.Do(Succeed("k", token)).ok());
  b_.Run();
  EXPECT_TRUE(acquire.completed() || acquire.shared() != nullptr);
  EXPECT_TRUE(check.ok());
  EXPECT_TRUE(here.ok());
  EXPECT_EQ(a_.waiters() + b_.waiters(), 0u);
}

TEST_F(SharedStoreTest, AReadThatWaitsAloneHearsOfAResultElsewhere) {
  const std::uint64_t token = a_.Do(Acquire("k", "one")).token();
  auto& check = b_.Do(Check("k", 30s));
  a_.Do(Succeed("k", token));
  b_.Run();
  EXPECT_TRUE(check.ok());
}

TEST_F(SharedStoreTest, AnotherServerWritesTheLapseAWholeLeaseAfterItHeard) {
  auto dead = std::make_unique<SharedServer>(world_);
  dead->Do(Acquire("k", "one", 2s));
  world_.clock.Advance(500ms);
  b_.Run();  // hears of it now
  dead.reset();
  Pass(1900ms, {&b_});
  EXPECT_EQ(Stored("k"), State::HELD);
  Pass(200ms, {&b_});
  EXPECT_EQ(Stored("k"), State::IN_DOUBT);
  EXPECT_EQ(b_.lapses(), 1);
}

TEST_F(SharedStoreTest, ARenewalThroughAnotherServerKeepsTheLease) {
  const std::uint64_t token = a_.Do(Acquire("k", "one", 2s)).token();
  for (int i = 0; i < 5; ++i) {
    Pass(1500ms, {&a_, &b_});
    SharedServer& server = i % 2 == 0 ? b_ : a_;
    EXPECT_TRUE(server.Do(Renew("k", token)).ok()) << i;
  }
  EXPECT_EQ(Stored("k"), State::HELD);
  Pass(2100ms, {&a_, &b_});
  EXPECT_EQ(Stored("k"), State::IN_DOUBT);
}

TEST_F(SharedStoreTest, AServerThatHasNotHeardOfARenewalDoesNotEndTheLease) {
  const std::uint64_t token = a_.Do(Acquire("k", "one", 2s)).token();
  b_.Run();
  a_.deaf = true;
  Pass(1500ms, {&a_, &b_});
  EXPECT_TRUE(b_.Do(Renew("k", token)).ok());
  Pass(1s, {&a_, &b_});
  EXPECT_EQ(Stored("k"), State::HELD) << "the condition of its write did not hold";
  EXPECT_EQ(a_.lapses(), 0);
}

TEST_F(SharedStoreTest, LateReportsDoNotKeepALeaseAlive) {
  const std::uint64_t stale = a_.Do(AcceptingRecover(Acquire("k", "one", 1s))).token();
  Pass(1100ms, {&a_, &b_});
  ASSERT_NE(a_.Do(AcceptingRecover(Acquire("k", "two", 2s))).token(), 0u);
  b_.Run();
  for (int i = 0; i < 4; ++i) {
    Pass(500ms, {&a_, &b_});
    a_.Do(Succeed("k", stale, "ref" + std::to_string(i)));
    b_.Run();
  }
  Pass(200ms, {&a_, &b_});
  EXPECT_EQ(Stored("k"), State::IN_DOUBT);
}

TEST_F(SharedStoreTest, AReplayElsewhereRenewsTheLeaseAndAReplayHereDoesNot) {
  const auto& granted = a_.Do(Acquire("k", "one", 2s));
  Pass(1500ms, {&a_, &b_});
  const auto& here = a_.Do(Acquire("k", "one", 2s));
  ASSERT_TRUE(here.grant().replayed());
  EXPECT_LE(here.LeaseSinceArrival(), 500ms);
  const auto& there = b_.Do(Acquire("k", "one", 2s));
  ASSERT_TRUE(there.grant().replayed());
  EXPECT_EQ(there.token(), granted.token());
  const Duration promised = there.LeaseSinceArrival();
  EXPECT_GT(promised, 500ms);
  Pass(promised - 100ms, {&a_, &b_});
  EXPECT_EQ(Stored("k"), State::HELD) << "what a reply promised holds on every server";
}

TEST_F(SharedStoreTest, AfterAStallNothingIsPromisedThatOthersDoNotKnow) {
  a_.Do(Acquire("k", "one", 3s));
  b_.Run();
  Pass(1s, {&a_, &b_});
  for (int i = 0; i < 10; ++i) {  // a is frozen
    world_.clock.Advance(100ms);
    b_.Run();
  }
  a_.Run();
  Pass(900ms, {&a_, &b_});
  const auto& replay = a_.Do(Acquire("k", "one", 3s));
  ASSERT_TRUE(replay.granted());
  const Duration promised = replay.LeaseSinceArrival();
  b_.Run();
  Pass(promised - 100ms, {&a_, &b_});
  EXPECT_EQ(Stored("k"), State::HELD);
}

TEST_F(SharedStoreTest, WhatIsNotKnownAnswersUnavailableAndIsReadAgain) {
  for (const storage::Fault fault : {storage::Fault::kFailBefore, storage::Fault::kFailAfter}) {
    const std::string key = fault == storage::Fault::kFailBefore ? "before" : "after";
    a_.next_commits = {fault};
    EXPECT_EQ(a_.Do(Acquire(key, "one")).reason(), v1::Refusal::STORAGE_UNAVAILABLE);
    EXPECT_FALSE(a_.failed());
    const auto& again = a_.Do(Acquire(key, "one"));
    EXPECT_TRUE(again.granted());
    EXPECT_EQ(again.grant().replayed(), fault == storage::Fault::kFailAfter);
    a_.next_commits = {fault};
    EXPECT_EQ(a_.Do(Succeed(key, again.token())).reason(), v1::Refusal::STORAGE_UNAVAILABLE);
    EXPECT_TRUE(a_.Do(Succeed(key, again.token())).ok());
    EXPECT_EQ(Stored(key), State::COMPLETED);
  }
}

TEST_F(SharedStoreTest, AReadIsNotAnsweredFromMemoryWhileTheStoreIsAway) {
  a_.Do(Acquire("k", "one"));
  a_.next_commits = {storage::Fault::kFailBefore};
  EXPECT_EQ(a_.Do(Check("k")).reason(), v1::Refusal::STORAGE_UNAVAILABLE);
}

TEST_F(SharedStoreTest, ALapseWhoseOutcomeIsNotKnownIsTriedAgain) {
  a_.Do(Acquire("k", "one", 1s));
  a_.deaf = true;
  b_.deaf = true;
  a_.next_commits = {storage::Fault::kFailBefore};
  Pass(1100ms, {&a_});
  EXPECT_EQ(Stored("k"), State::HELD);
  Pass(1500ms, {&a_});
  EXPECT_EQ(Stored("k"), State::IN_DOUBT);
}

TEST_F(SharedStoreTest, AWaiterWhoseGrantIsNotKnownMayAskAgain) {
  const std::uint64_t token = a_.Do(Acquire("k", "one")).token();
  auto& waiting = b_.Do(Await("k", "two"));
  a_.Do(Release("k", token));
  b_.next_commits = {storage::Fault::kFailAfter};
  b_.Run();
  EXPECT_EQ(waiting.reason(), v1::Refusal::STORAGE_UNAVAILABLE);
  const auto& again = b_.Do(Await("k", "two"));
  EXPECT_TRUE(again.granted());
  EXPECT_TRUE(again.grant().replayed());
}

TEST_F(SharedStoreTest, AWaiterThatLosesTheRaceKeepsItsPlace) {
  const std::uint64_t token = a_.Do(Acquire("k", "one")).token();
  auto& first = b_.Do(Await("k", "first"));
  auto& second = b_.Do(Await("k", "second"));
  a_.Do(Release("k", token));
  std::uint64_t other = 0;
  b_.before_commit = [&] { other = a_.Do(Acquire("k", "racer")).token(); };
  b_.Run();
  ASSERT_NE(other, 0u);
  EXPECT_FALSE(first.finished());
  a_.Do(Release("k", other));
  b_.Run();
  EXPECT_TRUE(first.granted());
  EXPECT_FALSE(second.finished());
}

TEST_F(SharedStoreTest, ACancelledWaiterIsNotGranted) {
  const std::uint64_t token = a_.Do(Acquire("k", "one")).token();
  auto& waiting = b_.Do(Await("k", "two"));
  b_.Cancel(waiting);
  a_.Do(Release("k", token));
  b_.Run();
  EXPECT_TRUE(waiting.refused());
  EXPECT_EQ(Stored("k"), State::ABSENT);
  EXPECT_EQ(b_.waiters(), 0u);
}

TEST_F(SharedStoreTest, ACallThatIsCancelledInItsFirstRoundDoesNotWait) {
  a_.Do(Acquire("k", "one"));
  auto& waiting = a_.Submit(Await("k", "two"));
  a_.Cancel(waiting);
  a_.Run();
  EXPECT_TRUE(waiting.refused());
  EXPECT_EQ(a_.waiters(), 0u);
}

TEST_F(SharedStoreTest, AGrantWhoseReplyWasNotSentIsTakenBack) {
  auto& gone = a_.Submit(Acquire("k", "one"));
  a_.before_commit = [&] { gone.SetGone(); };
  a_.Run();
  EXPECT_TRUE(gone.undone());
  EXPECT_EQ(Stored("k"), State::ABSENT);
}

TEST_F(SharedStoreTest, TimeIsUpForAWaiterAlsoHere) {
  a_.Do(Acquire("k", "one", 60s));
  auto& waiting = b_.Do(Await("k", "two", 1s));
  Pass(900ms, {&a_, &b_});
  EXPECT_FALSE(waiting.finished());
  Pass(200ms, {&a_, &b_});
  EXPECT_TRUE(waiting.contended());
  EXPECT_EQ(b_.waiters(), 0u);
}

TEST_F(SharedStoreTest, WhoeverHasWaitedInVainIsToldHowTheKeyStandsWhenTheTimeIsUp) {
  const std::uint64_t token = a_.Do(Acquire("k", "one", 60s)).token();
  auto& waiting = b_.Do(Await("k", "two", 1s));
  Pass(500ms, {&a_, &b_});
  b_.Do(Check("k"));  // confirms, after the call came, that the key is held
  b_.deaf = true;
  a_.Do(Succeed("k", token));
  Pass(600ms, {&a_, &b_});
  ASSERT_TRUE(waiting.finished());
  EXPECT_TRUE(waiting.completed());
}

TEST_F(SharedStoreTest, WhoseTimeIsUpDoesNotOvertakeWhoWaitsOn) {
  const std::uint64_t token = a_.Do(Acquire("k", "one", 60s)).token();
  auto& patient = b_.Do(Await("k", "two", 30s));
  auto& hasty = b_.Do(Await("k", "three", 1s));
  b_.deaf = true;
  a_.Do(Release("k", token));
  world_.clock.Advance(1100ms);
  b_.deaf = false;  // hears of it in the round in which the time is up
  b_.Run();
  EXPECT_TRUE(patient.granted());
  ASSERT_TRUE(hasty.contended());
  EXPECT_EQ(hasty.contention().holder_id(), "two");
}

TEST_F(SharedStoreTest, WaitersAreLookedAtAgainWhenTheStoreHasNotAnswered) {
  const std::uint64_t token = a_.Do(Acquire("k", "one", 60s)).token();
  auto& second = b_.Do(Await("k", "two"));
  auto& third = b_.Do(Await("k", "three"));
  b_.next_commits = {storage::Fault::kFailBefore};
  a_.Do(Release("k", token));
  b_.Run();
  EXPECT_EQ(second.reason(), v1::Refusal::STORAGE_UNAVAILABLE);
  EXPECT_TRUE(third.granted());
}

TEST_F(SharedStoreTest, ALookThatTheStoreHasNotAnsweredIsRepeated) {
  const std::uint64_t token = a_.Do(Acquire("k", "one", 60s)).token();
  auto& second = b_.Do(Await("k", "two"));
  auto& third = b_.Do(Await("k", "three"));
  b_.deaf = true;
  a_.Do(Succeed("k", token));
  b_.next_commits = {storage::Fault::kFailBefore};
  b_.Post(storage::LiveChanges{.begins = true, .complete = true});
  b_.Run();
  EXPECT_EQ(second.reason(), v1::Refusal::STORAGE_UNAVAILABLE);
  EXPECT_TRUE(third.completed());
}

TEST_F(SharedStoreTest, ManyCallsOnOneKeyInOneRoundAreDecidedInTheirOrder) {
  const std::uint64_t token = a_.Do(Acquire("k", "one")).token();
  auto& renewed = a_.Submit(Renew("k", token));
  auto& read = a_.Submit(Check("k"));
  auto& released = a_.Submit(Release("k", token));
  auto& next = a_.Submit(Acquire("k", "two"));
  auto& stale = a_.Submit(Renew("k", token));
  a_.Run();
  EXPECT_TRUE(renewed.ok());
  EXPECT_EQ(read.response().state(), State::HELD);
  EXPECT_TRUE(released.ok());
  EXPECT_TRUE(next.granted());
  EXPECT_EQ(stale.reason(), v1::Refusal::STALE_FENCING_TOKEN);
}

TEST_F(SharedStoreTest, AnOutcomeForAKeyThatIsGoneIsKeptAlsoIfTheServerKnowsNoSuchToken) {
  a_.deaf = true;
  const std::uint64_t token = b_.Do(Acquire("k", "one")).token();
  b_.Do(Release("k", token));
  EXPECT_EQ(a_.Do(Succeed("k", token)).reason(), v1::Refusal::KEY_UNKNOWN);
  const auto& record = a_.Do(Get("k"));
  EXPECT_EQ(record.response().record().audit_size(), 1);
  EXPECT_EQ(a_.Do(Succeed("other", token + 1'000'000)).reason(), v1::Refusal::KEY_UNKNOWN);
  EXPECT_EQ(a_.Do(Get("other")).response().record().audit_size(), 0) << "an invented token";
}

TEST_F(SharedStoreTest, LiveRecordsAreCountedByWhatIsHeard) {
  a_.Do(Acquire("k1", "one", 1s));
  const std::uint64_t token = b_.Do(Acquire("k2", "one")).token();
  EXPECT_EQ(a_.counts().held, 2u);
  EXPECT_EQ(b_.counts().held, 2u);
  Pass(1100ms, {&a_, &b_});
  EXPECT_EQ(a_.counts().held, 1u);
  EXPECT_EQ(a_.counts().in_doubt, 1u);
  a_.Do(Succeed("k2", token));
  EXPECT_EQ(b_.counts().held, 0u);
  EXPECT_EQ(SharedServer(world_).counts().in_doubt, 1u);
}

TEST_F(SharedStoreTest, AListThatDoesNotNameAKeyHasItReadAgain) {
  const std::uint64_t token = a_.Do(Acquire("k", "one")).token();
  auto& waiting = b_.Do(Await("k", "two"));
  b_.deaf = true;
  a_.Do(Succeed("k", token));
  // What was told meanwhile is lost, and all that is live is told anew.
  b_.Post(storage::LiveChanges{.begins = true, .complete = true});
  b_.Run();
  EXPECT_TRUE(waiting.finished());
}

TEST_F(SharedStoreTest, ARecordThatCannotBeReadIsRefusedAndChangesNothing) {
  world_.memory.PutBytes(storage::MakeStoreKey("default", "k"), "nonsense");
  EXPECT_EQ(a_.Do(Acquire("k", "one")).reason(), v1::Refusal::RECORD_CORRUPT);
  EXPECT_TRUE(a_.Do(Acquire("k2", "one")).granted());
}

TEST_F(SharedStoreTest, ShuttingDownEndsWaits) {
  a_.Do(Acquire("k", "one"));
  auto& waiting = a_.Do(Await("k", "two"));
  a_.Post(EndWaits{});
  a_.Run();
  EXPECT_EQ(waiting.reason(), v1::Refusal::SHUTTING_DOWN);
}

}  // namespace
}  // namespace latchkey
