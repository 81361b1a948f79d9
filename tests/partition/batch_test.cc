// A batch: its commands see each other, one commit makes them durable, and only then is anybody
// answered; and what becomes of everybody when that commit fails.
#include "tests/partition/partition_harness.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using State = v1::CheckResultResponse;
using R = v1::Refusal;
using storage::Fault;

TEST(BatchTest, LaterCommandsOfABatchSeeEarlierOnes) {
  PartitionHarness harness;
  auto& first = harness.Submit(Acquire("k", "a"));
  auto& second = harness.Submit(Acquire("k", "b"));
  auto& check = harness.Submit(Check("k"));
  harness.RunOneBatch();
  EXPECT_EQ(first.token(), 1);
  EXPECT_EQ(first.grant().mode(), v1::Grant::EXECUTE);
  ASSERT_TRUE(second.contended());
  EXPECT_EQ(second.contention().holder_id(), "a");
  EXPECT_EQ(check.response().state(), State::HELD);
}

TEST(BatchTest, IsCommittedOnceWhateverItChanges) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("done", "a"));
  const int before = harness.commits;
  for (int i = 0; i < 50; ++i) harness.Submit(Acquire("k" + std::to_string(i), "a"));
  harness.Submit(Succeed("done", token));
  harness.RunOneBatch();
  EXPECT_EQ(harness.commits, before + 1);
  EXPECT_EQ(harness.last_commit_writes, 51);
}

TEST(BatchTest, ThatChangesNothingCostsNoCommit) {
  PartitionHarness harness;
  harness.Hold(Acquire("k", "a"));
  const int before = harness.commits;
  harness.Submit(Acquire("k", "b"));
  harness.Submit(Acquire("k", "a"));
  harness.Submit(Check("k"));
  harness.Submit(Get("other"));
  harness.Submit(Release("other", 1));
  harness.Run();
  EXPECT_EQ(harness.commits, before);
}

TEST(BatchTest, NobodyIsToldOfAChangeBeforeTheCommit) {
  PartitionHarness harness;
  int finished_in_commit = 0;
  harness.during_commit = [&] {
    for (const auto& call : harness.calls()) finished_in_commit += call->times_finished();
  };
  auto& grant = harness.Submit(Acquire("k", "a"));
  auto& contention = harness.Submit(Acquire("k", "b"));
  auto& read = harness.Submit(Check("k"));
  harness.RunOneBatch();
  EXPECT_EQ(harness.commits, 1);
  EXPECT_EQ(finished_in_commit, 0);
  EXPECT_TRUE(grant.ok());
  EXPECT_TRUE(contention.ok());
  EXPECT_TRUE(read.ok());
}

TEST(BatchTest, WhatIsStoredIsToldBeforeTheCommitOfOtherKeys) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("done", "a"));
  harness.Do(Succeed("done", token));
  harness.Hold(Acquire("held", "a"));
  std::vector<const RememberingCall*> early;
  std::vector<bool> finished_in_commit;
  harness.during_commit = [&] {
    for (const auto* call : early) finished_in_commit.push_back(call->ok());
  };
  harness.Submit(Acquire("new", "a"));
  early.push_back(&harness.Submit(Acquire("done", "b")));
  early.push_back(&harness.Submit(Check("held")));
  early.push_back(&harness.Submit(Acquire("held", "b")));
  harness.RunOneBatch();
  EXPECT_THAT(finished_in_commit, testing::ElementsAre(true, true, true));
}

TEST(BatchTest, ReplayInTheBatchOfTheGrantHasItsToken) {
  PartitionHarness harness;
  auto& first = harness.Submit(Acquire("k", "a"));
  auto& retry = harness.Submit(Acquire("k", "a"));
  harness.RunOneBatch();
  EXPECT_EQ(first.token(), 1);
  EXPECT_EQ(retry.token(), 1);
  EXPECT_TRUE(retry.grant().replayed());
}

// A replay was decided, and then the same batch gave the key to somebody else: the replay keeps the
// token that it was decided with (L3).
TEST(BatchTest, ReplayBeforeAReleaseKeepsItsOwnToken) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "a"));
  auto& waiter = harness.Do(Await("k", "b"));
  auto& replay = harness.Submit(Acquire("k", "a"));
  harness.Submit(Release("k", token));
  harness.RunOneBatch();
  EXPECT_EQ(replay.token(), token);
  EXPECT_GT(waiter.token(), token);
}

TEST(BatchTest, ReplayBeforeAReleaseThatLeavesNoRecordIsAnswered) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "a"));
  auto& replay = harness.Submit(Acquire("k", "a"));
  auto& release = harness.Submit(Release("k", token));
  harness.RunOneBatch();
  EXPECT_EQ(replay.token(), token);
  EXPECT_TRUE(release.ok());
}

TEST(BatchTest, ReplayBeforeALapseKeepsItsOwnToken) {
  PartitionHarness harness;
  const auto token = harness.Hold(Mutexed(Acquire("k", "a", 300ms)));
  auto& waiter = harness.Do(Await("k", "b"));
  harness.clock.Advance(299ms);
  auto& replay = harness.Submit(Acquire("k", "a"));
  harness.clock.Advance(1ms);
  harness.RunOneBatch();
  EXPECT_EQ(replay.token(), token);
  EXPECT_GT(waiter.token(), token);
}

// A token is known only after its commit, so whatever may name it is decided in the next batch.
TEST(BatchTest, CallsThatMayNameThePendingTokenWaitForTheNextBatch) {
  PartitionHarness harness;
  auto& grant = harness.Submit(Acquire("k", "a"));
  auto& renew = harness.Submit(Renew("k", 1));
  auto& get = harness.Submit(Get("k"));
  harness.RunOneBatch();
  EXPECT_TRUE(grant.ok());
  EXPECT_FALSE(renew.finished());
  EXPECT_FALSE(get.finished());
  EXPECT_TRUE(harness.partition().HasBacklog());
  harness.RunOneBatch();
  EXPECT_TRUE(renew.ok());
  EXPECT_EQ(get.response().record().fencing_token(), 1);
  EXPECT_FALSE(harness.partition().HasBacklog());
}

// The lapse that a call finds may grant the key to a waiter, whose token is then pending, too.
TEST(BatchTest, CallThatFindsALapseWaitsForTheTokenOfTheNextHolder) {
  PartitionHarness harness;
  harness.Hold(Mutexed(Acquire("k", "a", 300ms)));
  auto& waiter = harness.Do(Await("k", "b"));
  harness.clock.Advance(300ms);
  auto& give_up = harness.Submit(GiveUp("k", "b"));
  auto& get = harness.Submit(Get("k"));
  harness.RunOneBatch();
  EXPECT_EQ(waiter.token(), 2);
  EXPECT_FALSE(give_up.finished());
  EXPECT_FALSE(get.finished());
  harness.Run();
  EXPECT_EQ(give_up.response().state(), State::ABSENT);
  EXPECT_EQ(get.response().record().state(), State::ABSENT);
  EXPECT_EQ(harness.StoredState("k"), State::ABSENT);
}

TEST(BatchTest, OrderOnOneKeyIsKeptBehindADeferredCall) {
  PartitionHarness harness;
  harness.Submit(Acquire("k", "a"));
  auto& record = harness.Submit(Succeed("k", 1));
  auto& next = harness.Submit(Acquire("k", "b"));  // by itself it could be decided at once
  auto& elsewhere = harness.Submit(Acquire("other", "c"));
  harness.RunOneBatch();
  EXPECT_FALSE(next.finished());
  EXPECT_TRUE(elsewhere.granted());
  auto& after = harness.Submit(Acquire("k", "d"));
  harness.Run();
  EXPECT_TRUE(record.ok());
  EXPECT_TRUE(next.completed());
  EXPECT_TRUE(after.completed());
}

TEST(BatchTest, WholeLifeOfAKeyInOneSubmission) {
  PartitionHarness harness;
  auto& a = harness.Submit(Acquire("k", "a"));
  auto& release = harness.Submit(Release("k", 1));
  auto& b = harness.Submit(Acquire("k", "b"));
  auto& record = harness.Submit(Succeed("k", 2));
  auto& remove = harness.Submit(Delete("k", 2));
  auto& c = harness.Submit(Acquire("k", "c"));
  harness.Run();
  EXPECT_EQ(a.token(), 1);
  EXPECT_TRUE(release.ok());
  EXPECT_EQ(b.token(), 2);
  EXPECT_TRUE(record.ok());
  EXPECT_TRUE(remove.ok());
  EXPECT_EQ(c.token(), 3);
  EXPECT_EQ(harness.commits, 3) << "each grant ends a batch for this key";
}

class FailingCommitTest : public testing::TestWithParam<Fault> {};

INSTANTIATE_TEST_SUITE_P(Faults, FailingCommitTest,
                         testing::Values(Fault::kFailBefore, Fault::kFailAfter),
                         [](const auto& tested) {
                           return tested.param == Fault::kFailBefore ? "Before" : "After";
                         });

TEST_P(FailingCommitTest, FailsTheBatchAndEveryWaiter) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "a"));
  auto& waiting = harness.Do(Await("k", "b"));
  auto& checking = harness.Do(Check("absent", 10s));
  harness.next_commit = GetParam();
  auto& record = harness.Submit(Succeed("k", token));
  auto& grant = harness.Submit(Acquire("new", "c"));
  auto& deferred = harness.Submit(Renew("new", token + 1));
  auto& read = harness.Submit(Check("k"));
  harness.Run();
  EXPECT_TRUE(harness.failed());
  for (const RememberingCall* call : std::initializer_list<RememberingCall*>{
           &waiting, &checking, &record, &grant, &deferred, &read}) {
    EXPECT_TRUE(call->finished());
    EXPECT_EQ(call->reason(), R::STORAGE_UNAVAILABLE);
  }
  EXPECT_EQ(harness.waiters(), 0);
  EXPECT_FALSE(harness.partition().HasBacklog());
  EXPECT_EQ(harness.partition().NextTimer(), std::nullopt);
}

TEST_P(FailingCommitTest, RefusesEverythingLater) {
  PartitionHarness harness;
  harness.Hold(Acquire("k", "a"));
  harness.next_commit = GetParam();
  harness.Do(Acquire("new", "b"));
  const int commits = harness.commits;
  EXPECT_EQ(harness.Do(Check("k")).reason(), R::STORAGE_UNAVAILABLE);
  EXPECT_EQ(harness.Do(Acquire("k", "a")).reason(), R::STORAGE_UNAVAILABLE);
  EXPECT_EQ(harness.Do(Await("k", "c")).reason(), R::STORAGE_UNAVAILABLE);
  harness.Post(EndWaits{});
  harness.Pass(20s);
  EXPECT_EQ(harness.commits, commits);
}

// The store decides what was durable; a restart finds one or the other, and goes on from it.
TEST_P(FailingCommitTest, RestartGoesOnFromWhatIsDurable) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "a"));
  harness.next_commit = GetParam();
  harness.Do(Succeed("k", token));
  harness.Restart();
  const bool happened = GetParam() == Fault::kFailAfter;
  EXPECT_EQ(harness.Do(Acquire("k", "b")).completed(), happened);
  auto& again = harness.Do(Succeed("k", token));
  EXPECT_TRUE(again.ok());
  EXPECT_EQ(again.response().already_recorded(), happened);
}

TEST(FailingLoadTest, FailsTheBatchAndEveryWaiter) {
  PartitionHarness harness;
  harness.Hold(Acquire("k", "a"));
  auto& waiting = harness.Do(Await("k", "b"));
  harness.next_load = Fault::kFailBefore;
  auto& call = harness.Submit(Acquire("new", "c"));
  auto& other = harness.Submit(Check("k"));
  harness.Run();
  EXPECT_TRUE(harness.failed());
  EXPECT_EQ(waiting.reason(), R::STORAGE_UNAVAILABLE);
  EXPECT_EQ(call.reason(), R::STORAGE_UNAVAILABLE);
  EXPECT_EQ(other.reason(), R::STORAGE_UNAVAILABLE);
}

TEST(RefusalTest, QuotaRefusesOnlyNewRecords) {
  PartitionHarness harness({.live_records_max = 2});
  const auto token = harness.Hold(Acquire("k1", "a"));
  const auto other = harness.Hold(Acquire("k2", "b"));
  EXPECT_EQ(harness.Do(Acquire("k3", "c")).reason(), R::QUOTA_EXCEEDED);
  EXPECT_TRUE(harness.Do(Acquire("k1", "a")).grant().replayed());
  EXPECT_TRUE(harness.Do(Renew("k1", token)).ok());
  harness.Do(Release("k1", token, v1::ReleaseRequest::UNKNOWN));
  EXPECT_EQ(harness.Do(Acquire("k3", "c")).reason(), R::QUOTA_EXCEEDED) << "doubt counts, too";
  const auto recovering = harness.Hold(AcceptingRecover(Acquire("k1", "d")));
  EXPECT_TRUE(harness.Do(Succeed("k1", recovering)).ok());
  EXPECT_TRUE(harness.Do(Acquire("k3", "c")).granted());
  EXPECT_EQ(harness.Do(Acquire("k4", "e")).reason(), R::QUOTA_EXCEEDED);
  EXPECT_TRUE(harness.Do(Succeed("k2", other)).ok());
  EXPECT_TRUE(harness.Do(Acquire("k4", "e")).granted());
}

TEST(RefusalTest, QuotaIsJudgedWithinABatch) {
  PartitionHarness harness({.live_records_max = 2});
  auto& a = harness.Submit(Acquire("k1", "a"));
  auto& b = harness.Submit(Acquire("k2", "b"));
  auto& c = harness.Submit(Acquire("k3", "c"));
  harness.Run();
  EXPECT_TRUE(a.granted());
  EXPECT_TRUE(b.granted());
  EXPECT_EQ(c.reason(), R::QUOTA_EXCEEDED);
}

TEST(RefusalTest, HandOverAtTheQuotaIsNoNewRecord) {
  PartitionHarness harness({.live_records_max = 1});
  const auto token = harness.Hold(Acquire("k", "a"));
  auto& waiter = harness.Do(Await("k", "b"));
  harness.Do(Release("k", token));
  EXPECT_TRUE(waiter.granted());
  EXPECT_EQ(harness.counts().held, 1);
}

TEST(RefusalTest, FullStorageRefusesOnlyNewRecordsAndGrowingCheckpoints) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "a"));
  harness.storage_full = true;
  EXPECT_EQ(harness.Do(Acquire("new", "b")).reason(), R::STORAGE_FULL);
  auto grow = Renew("k", token);
  grow.set_checkpoint("half way");
  EXPECT_EQ(harness.Do(grow).reason(), R::STORAGE_FULL);
  EXPECT_TRUE(harness.Do(Renew("k", token)).ok());
  harness.Do(Release("k", token, v1::ReleaseRequest::UNKNOWN));
  const auto recovering = harness.Hold(AcceptingRecover(Acquire("k", "c")));
  EXPECT_TRUE(harness.Do(Succeed("k", recovering)).ok());
  EXPECT_TRUE(harness.Do(Delete("k", recovering)).ok());
  harness.storage_full = false;
  EXPECT_TRUE(harness.Do(Acquire("new", "b")).granted());
}

TEST(RefusalTest, CorruptRecordConcernsOnlyItsKey) {
  PartitionHarness harness;
  harness.memory.PutBytes(storage::MakeStoreKey("default", "bad"), "no record at all");
  auto& acquire = harness.Submit(Acquire("bad", "a"));
  auto& await = harness.Submit(Await("bad", "b"));
  auto& check = harness.Submit(Check("bad", 10s));
  auto& record = harness.Submit(Succeed("bad", 1));
  auto& give_up = harness.Submit(GiveUp("bad", "a"));
  auto& get = harness.Submit(Get("bad"));
  auto& good = harness.Submit(Acquire("good", "a"));
  harness.Run();
  for (const RememberingCall* call :
       std::initializer_list<RememberingCall*>{&acquire, &await, &check, &record, &give_up, &get}) {
    EXPECT_EQ(call->reason(), R::RECORD_CORRUPT);
  }
  EXPECT_TRUE(good.granted());
  EXPECT_FALSE(harness.failed());
  EXPECT_EQ(harness.waiters(), 0);
  harness.Restart();
  EXPECT_EQ(harness.Do(Check("bad")).reason(), R::RECORD_CORRUPT);
}

TEST(LiveCountsTest, FollowEveryStep) {
  PartitionHarness harness;
  const auto expect = [&](std::uint64_t held, std::uint64_t in_doubt) {
    EXPECT_EQ(harness.counts().held, held);
    EXPECT_EQ(harness.counts().in_doubt, in_doubt);
    EXPECT_EQ(harness.CountStored().held, held);
    EXPECT_EQ(harness.CountStored().in_doubt, in_doubt);
  };
  auto token = harness.Hold(Acquire("k", "a"));
  expect(1, 0);
  harness.Do(Release("k", token));
  expect(0, 0);
  token = harness.Hold(Acquire("k", "b"));
  harness.Pass(kLease);
  expect(0, 1);
  token = harness.Hold(AcceptingRecover(Acquire("k", "c")));
  expect(1, 0);
  harness.Do(Release("k", token));
  expect(0, 1);
  harness.Do(Resolve("k", token, v1::ResolveOutcomeRequest::NOT_EXECUTED));
  expect(0, 0);
  token = harness.Hold(Acquire("k", "d"));
  harness.Do(Force("k", token));
  expect(0, 1);
  harness.Restart();
  expect(0, 1);
  EXPECT_TRUE(harness.Do(Succeed("k", token)).response().late());
  expect(0, 0);
  harness.Do(Delete("k", token));
  expect(0, 0);
  token = harness.Hold(Mutexed(Acquire("k", "e")));
  harness.Restart();
  expect(1, 0);
  harness.Pass(kLease);
  expect(0, 0);
  token = harness.Hold(Acquire("k", "f"));
  harness.Do(Await("k", "g"));
  harness.Do(Release("k", token));
  expect(1, 0);
  harness.Do(GiveUp("k", "g"));
  expect(0, 0);
}

}  // namespace
}  // namespace latchkey
