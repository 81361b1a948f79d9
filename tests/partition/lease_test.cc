// Leases on the monotonic clock: when they end, and when they must not.
#include <algorithm>

#include "tests/partition/partition_harness.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using State = v1::CheckResultResponse;
using R = v1::Refusal;

TEST(LapseTest, ComesAtTheDeadlineByItself) {
  PartitionHarness harness;
  harness.Hold(Acquire("k", "a"));
  harness.Pass(kLease - 1ms);
  EXPECT_TRUE(harness.StoresLease("k"));
  harness.Pass(1ms);
  EXPECT_EQ(harness.StoredState("k"), State::IN_DOUBT);
  EXPECT_EQ(harness.partition().NextTimer(), std::nullopt);
}

TEST(LapseTest, CallThatArrivedBeforeIsDecidedBeforeHoweverLateTheBatch) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "a", 400ms));
  harness.clock.Advance(399ms);
  auto& renew = harness.Submit(Renew("k", token));
  harness.clock.Advance(100ms);
  harness.Run();
  EXPECT_TRUE(renew.ok());
  EXPECT_TRUE(harness.StoresLease("k"));
}

TEST(LapseTest, CallThatArrivesAtTheDeadlineSeesIt) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "a", 400ms));
  const int commits = harness.commits;
  harness.clock.Advance(400ms);
  auto& check = harness.Submit(Check("k"));
  auto& renew = harness.Submit(Renew("k", token));
  harness.Run();
  EXPECT_EQ(check.response().state(), State::IN_DOUBT);
  EXPECT_EQ(renew.reason(), R::LEASE_EXPIRED);
  EXPECT_EQ(harness.commits, commits + 1) << "with the answers that show it";
}

TEST(LapseTest, ResultThatArrivedInTimeIsNotLate) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "a", 400ms));
  harness.clock.Advance(399ms);
  auto& record = harness.Submit(Succeed("k", token));
  harness.clock.Advance(1ms);
  harness.Run();
  EXPECT_TRUE(record.ok());
  EXPECT_FALSE(record.response().late());
}

TEST(LapseTest, IsDurableBeforeAnybodyHearsOfIt) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "a", 400ms));
  harness.clock.Advance(400ms);
  harness.next_commit = storage::Fault::kFailBefore;
  EXPECT_EQ(harness.Do(Check("k")).reason(), R::STORAGE_UNAVAILABLE);
  harness.Restart();
  EXPECT_TRUE(harness.Do(Renew("k", token)).ok()) << "nobody was told that it was over";
}

TEST(LapseTest, WaitsForCallsThatWereQueuedBefore) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "a", 400ms));
  harness.clock.Advance(399ms);
  TestCall<v1::RenewLeaseRequest> renew(Renew("k", token), harness.clock.Monotonic());
  harness.clock.Advance(100ms);
  std::vector<Work> more;
  harness.partition().Process(more, /*more_queued=*/true);
  EXPECT_TRUE(harness.StoresLease("k"));
  more.emplace_back(&renew);
  harness.partition().Process(more);
  EXPECT_TRUE(renew.ok());
}

// In batches, between which calls on other keys have their turn.
TEST(LapseTest, ThousandsAtOnceAreFewCommits) {
  constexpr int kBatch = 1'000;
  constexpr int kLeases = 2 * kBatch + 100;
  PartitionHarness harness;
  for (int i = 0; i < kLeases; ++i) harness.Submit(Acquire("k" + std::to_string(i), "a"));
  harness.Run();
  EXPECT_EQ(harness.counts().held, kLeases);
  harness.Pass(kLease - 1ms);
  harness.clock.Advance(1ms);
  for (const int lapsed : {kBatch, 2 * kBatch, kLeases}) {
    ASSERT_TRUE(harness.partition().NextTimer().has_value());
    EXPECT_LE(*harness.partition().NextTimer(), harness.clock.Monotonic());
    const int commits = harness.commits;
    const int before = harness.steps.lapses;
    harness.Run();
    EXPECT_EQ(harness.commits, commits + 1);
    EXPECT_EQ(harness.last_commit_writes, lapsed - before);
    EXPECT_EQ(harness.steps.lapses, lapsed);
    EXPECT_EQ(harness.counts().in_doubt, lapsed);
  }
  EXPECT_EQ(harness.counts().held, 0);
}

// One whose turn has not come is not seen by who asks for it.
TEST(LapseTest, IsNotPutOffForWhoAsks) {
  PartitionHarness harness;
  for (int i = 0; i < 5'000; ++i) harness.Submit(Acquire("k" + std::to_string(i), "a"));
  harness.Run();
  harness.Pass(kLease - 1ms);
  harness.clock.Advance(1ms);
  auto& last = harness.Submit(AcceptingRecover(Acquire("k4999", "b")));
  harness.Run();
  EXPECT_TRUE(last.granted());
}

// Who recovers waits until the doubt is older than any call to the provider.
TEST(DoubtAgeTest, IsNoMoreThanHasPassedWhateverTheWallClockDoes) {
  PartitionHarness harness;
  harness.Hold(Acquire("before", "a"));
  harness.Hold(Acquire("after", "a", kLease + 5s));
  harness.Pass(kLease);
  harness.StepWall(59min);
  harness.Pass(5s);
  ASSERT_EQ(harness.counts().in_doubt, 2);
  harness.Pass(3s);
  const auto age = [&](const char* key) {
    return FromProto(harness.Do(AcceptingRecover(Acquire(key, "b"))).grant().doubt_age());
  };
  EXPECT_EQ(age("before"), 8s) << "counted from the step";
  EXPECT_EQ(age("after"), 3s);
}

TEST(RenewalTest, MovesTheDeadline) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "a"));
  for (int i = 0; i < 20; ++i) {
    harness.Pass(kLease / 2);
    ASSERT_TRUE(harness.Do(Renew("k", token)).ok());
  }
  harness.Pass(kLease - 1ms);
  EXPECT_TRUE(harness.StoresLease("k"));
  harness.Pass(1ms);
  EXPECT_EQ(harness.StoredState("k"), State::IN_DOUBT);
}

TEST(RenewalTest, NeverShortensTheLease) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "a"));
  auto& renew = harness.Do(RenewFor("k", token, 1s));
  EXPECT_EQ(renew.LeaseSinceArrival(), kLease);
  harness.Pass(kLease - 1ms);
  EXPECT_TRUE(harness.StoresLease("k"));
}

TEST(RenewalTest, OnlyWhatMustSurviveCostsACommit) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "a"));
  const auto cost = [&](v1::RenewLeaseRequest request) {
    const int before = harness.commits;
    EXPECT_TRUE(harness.Do(std::move(request)).ok());
    return harness.commits - before;
  };
  EXPECT_EQ(cost(Renew("k", token)), 1) << "the first: the token was seen";
  EXPECT_EQ(cost(Renew("k", token)), 0);
  EXPECT_EQ(cost(RenewFor("k", token, 5s)), 0);
  EXPECT_EQ(cost(RenewFor("k", token, 20s)), 1);
  EXPECT_EQ(cost(RenewFor("k", token, 20s)), 0);
  auto mark = Renew("k", token);
  mark.set_effect_started(true);
  EXPECT_EQ(cost(mark), 1);
  EXPECT_EQ(cost(mark), 0);
  auto checkpoint = Renew("k", token);
  checkpoint.set_checkpoint("half way");
  EXPECT_EQ(cost(checkpoint), 1);
  EXPECT_EQ(cost(checkpoint), 0);
}

TEST(StallTest, ExtendsLiveLeasesByTheGap) {
  PartitionHarness harness;
  harness.Hold(Acquire("k", "a"));
  harness.Pass(9s);
  harness.clock.Advance(3s);  // nobody could renew in this time
  harness.Run();
  EXPECT_TRUE(harness.StoresLease("k"));
  EXPECT_EQ(harness.steps.stalls, 1);
  harness.Pass(999ms);
  EXPECT_TRUE(harness.StoresLease("k"));
  harness.Pass(1ms);
  EXPECT_EQ(harness.StoredState("k"), State::IN_DOUBT);
}

TEST(StallTest, IsMoreThanHalfASecond) {
  PartitionHarness harness;
  harness.Hold(Acquire("k", "a", 1s));
  harness.clock.Advance(500ms);
  harness.Run();
  EXPECT_EQ(harness.steps.stalls, 0);
  harness.clock.Advance(500ms);
  harness.Run();
  EXPECT_EQ(harness.StoredState("k"), State::IN_DOUBT);
  harness.Hold(Acquire("other", "a", 1s));
  harness.clock.Advance(501ms);
  harness.Run();
  EXPECT_EQ(harness.steps.stalls, 1);
  harness.Pass(999ms);
  EXPECT_TRUE(harness.StoresLease("other"));
  harness.Pass(1ms);
  EXPECT_FALSE(harness.StoresLease("other"));
}

// A server that always stalls must not keep a dead holder's lease for ever.
TEST(StallTest, ExtendsByAtMostOneDurationPerRenewal) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "a"));
  const auto stall_until_over = [&] {
    Duration lived = Duration::zero();
    while (harness.StoresLease("k") && lived < 60s) {
      harness.clock.Advance(1s);
      harness.Run();
      lived += 1s;
    }
    return lived;
  };
  harness.clock.Advance(1s);
  harness.Run();
  ASSERT_TRUE(harness.Do(Renew("k", token)).ok());
  EXPECT_EQ(stall_until_over(), 2 * kLease);
}

TEST(StallTest, LongerThanTheLeaseGivesItAsLongAsItHadLeft) {
  PartitionHarness harness;
  harness.Hold(Acquire("k", "a", 2s));
  harness.Pass(500ms);
  harness.clock.Advance(30s);
  harness.Run();
  EXPECT_FALSE(harness.StoresLease("k")) << "at most one duration";
  const auto token = harness.Hold(Acquire("other", "a", 2s));
  harness.Pass(500ms);
  harness.clock.Advance(2s);
  harness.Run();
  EXPECT_TRUE(harness.Do(Renew("other", token)).ok());
}

TEST(StallTest, SlowCommitCounts) {
  PartitionHarness harness;
  harness.Hold(Acquire("k", "a", 1s));
  harness.Pass(400ms);
  harness.during_commit = [&] { harness.clock.Advance(800ms); };
  harness.Do(Acquire("other", "b"));
  harness.during_commit = nullptr;
  harness.Run();
  EXPECT_TRUE(harness.StoresLease("k")) << "its renewal could not be decided";
}

TEST(RestartTest, GivesEachLeaseTheLongestDurationPromised) {
  PartitionHarness harness;
  harness.Hold(Acquire("plain", "a", 2s));
  const auto token = harness.Hold(Acquire("longer", "a", 2s));
  harness.Do(RenewFor("longer", token, 5s));
  harness.Do(RenewFor("longer", token, 1s));
  harness.Pass(1900ms);
  harness.RestartWithoutServing();
  harness.clock.Advance(60s);  // opening the store took its time
  harness.partition().BeginServing();
  harness.Pass(1999ms);
  EXPECT_TRUE(harness.StoresLease("plain"));
  harness.Pass(1ms);
  EXPECT_FALSE(harness.StoresLease("plain"));
  EXPECT_TRUE(harness.StoresLease("longer"));
  harness.Pass(2999ms);
  EXPECT_TRUE(harness.StoresLease("longer"));
  harness.Pass(1ms);
  EXPECT_FALSE(harness.StoresLease("longer"));
  EXPECT_EQ(harness.steps.stalls, 0);
}

TEST(ReplyTest, RemainingAndElapsedComeFromOneReading) {
  PartitionHarness harness;
  harness.during_commit = [&] { harness.clock.Advance(70ms); };
  auto& grant = harness.Submit(Acquire("k", "a"));
  harness.clock.Advance(30ms);
  harness.Run();
  EXPECT_EQ(FromProto(grant.response().server_elapsed()), 100ms);
  EXPECT_EQ(FromProto(grant.grant().lease_remaining()), kLease - 70ms);
  EXPECT_EQ(grant.LeaseSinceArrival(), 30ms + kLease) << "the deadline, seen from the arrival";

  auto& replay = harness.Submit(Acquire("k", "a"));
  harness.Submit(Acquire("other", "b"));
  harness.Run();
  EXPECT_EQ(FromProto(replay.grant().lease_remaining()), kLease - 70ms) << "not after the commit";
  EXPECT_EQ(FromProto(replay.response().server_elapsed()), 0ms);

  auto& renew = harness.Submit(Renew("k", grant.token()));
  harness.clock.Advance(30ms);
  harness.Run();
  EXPECT_EQ(FromProto(renew.response().server_elapsed()), 100ms);
  EXPECT_EQ(renew.LeaseSinceArrival(), 30ms + kLease);

  auto& get = harness.Do(Get("k"));
  EXPECT_EQ(FromProto(get.response().record().lease_remaining()), kLease - 70ms);
  auto& contention = harness.Do(Acquire("k", "c"));
  EXPECT_EQ(FromProto(contention.response().server_elapsed()), Duration::zero());
}

TEST(ReplyTest, WaiterIsToldItsLeaseFromTheGrantOn) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "a"));
  auto& waiter = harness.Do(Await("k", "b"));
  harness.Pass(3s);
  harness.Do(Release("k", token));
  EXPECT_EQ(FromProto(waiter.response().server_elapsed()), 3s);
  EXPECT_EQ(FromProto(waiter.grant().lease_remaining()), kLease);
}

TEST(ReplyTest, LeaseThatTheCommitOutlastedHasNothingLeft) {
  PartitionHarness harness;
  harness.during_commit = [&] { harness.clock.Advance(300ms); };
  auto& grant = harness.Do(Acquire("k", "a", 200ms));
  EXPECT_EQ(FromProto(grant.grant().lease_remaining()), Duration::zero());
}

}  // namespace
}  // namespace latchkey
