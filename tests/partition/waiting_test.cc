// Waiting for a key: first in, first out, one wake-up per release, in the commit that frees the
// key.
#include <vector>

#include "tests/partition/partition_harness.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using State = v1::CheckResultResponse;
using R = v1::Refusal;

std::size_t CountFinished(const std::vector<AcquireCall*>& calls) {
  std::size_t finished = 0;
  for (const AcquireCall* call : calls) finished += call->finished() ? 1 : 0;
  return finished;
}

TEST(QueueTest, IsServedInOrderWithOneWakeUpPerRelease) {
  PartitionHarness harness;
  auto token = harness.Hold(Acquire("k", "holder"));
  std::vector<AcquireCall*> waiters;
  for (int i = 0; i < 10; ++i) {
    waiters.push_back(&harness.Do(Await("k", "w" + std::to_string(i))));
    EXPECT_FALSE(waiters.back()->finished());
  }
  for (std::size_t i = 0; i < waiters.size(); ++i) {
    const int commits = harness.commits;
    auto& release = harness.Do(Release("k", token));
    EXPECT_EQ(release.response().state(), State::ABSENT);
    EXPECT_EQ(CountFinished(waiters), i + 1);
    ASSERT_TRUE(waiters[i]->granted());
    EXPECT_EQ(harness.commits, commits + 1) << "the release and the grant are one commit";
    EXPECT_EQ(harness.last_commit_writes, 1);
    EXPECT_GT(waiters[i]->token(), token);
    token = waiters[i]->token();
  }
  EXPECT_EQ(harness.waiters(), 0);
}

// Everything that frees a key hands it on in its own commit.
class HandOverTest : public testing::Test {
 protected:
  std::uint64_t HoldAndQueue(v1::AcquireLockRequest holder = Acquire("k", "holder")) {
    const auto token = harness_.Hold(std::move(holder));
    first_ = &harness_.Do(AcceptingRecover(Await("k", "first")));
    second_ = &harness_.Do(AcceptingRecover(Await("k", "second")));
    commits_ = harness_.commits;
    return token;
  }
  void ExpectOnlyFirstGranted(v1::Grant::Mode mode) {
    EXPECT_EQ(harness_.commits, commits_ + 1);
    EXPECT_EQ(harness_.last_commit_writes, 1);
    ASSERT_TRUE(first_->granted());
    EXPECT_EQ(first_->grant().mode(), mode);
    EXPECT_FALSE(second_->finished());
    EXPECT_EQ(harness_.counts().held, 1);
    EXPECT_EQ(harness_.counts().in_doubt, 0);
    EXPECT_TRUE(harness_.StoresLease("k"));
  }

  PartitionHarness harness_;
  AcquireCall* first_ = nullptr;
  AcquireCall* second_ = nullptr;
  int commits_ = 0;
};

TEST_F(HandOverTest, AfterARelease) {
  harness_.Do(Release("k", HoldAndQueue()));
  ExpectOnlyFirstGranted(v1::Grant::EXECUTE);
}

TEST_F(HandOverTest, AfterAReleaseInDoubt) {
  harness_.Do(Release("k", HoldAndQueue(), v1::ReleaseRequest::UNKNOWN));
  ExpectOnlyFirstGranted(v1::Grant::RECOVER);
  EXPECT_EQ(first_->grant().previous_holder_id(), "holder");
}

TEST_F(HandOverTest, AfterALapse) {
  HoldAndQueue();
  harness_.Pass(kLease);
  ExpectOnlyFirstGranted(v1::Grant::RECOVER);
}

TEST_F(HandOverTest, AfterALapseThatIsForgotten) {
  HoldAndQueue(Mutexed(Acquire("k", "holder")));
  harness_.Pass(kLease);
  ExpectOnlyFirstGranted(v1::Grant::EXECUTE);
}

TEST_F(HandOverTest, AfterAForcedRelease) {
  auto& force = harness_.Do(Force("k", HoldAndQueue()));
  EXPECT_EQ(force.response().state(), State::IN_DOUBT);
  ExpectOnlyFirstGranted(v1::Grant::RECOVER);
}

TEST_F(HandOverTest, AfterTheHolderGaveUpAnUnusedGrant) {
  HoldAndQueue();
  EXPECT_EQ(harness_.Do(GiveUp("k", "holder")).response().state(), State::ABSENT);
  ExpectOnlyFirstGranted(v1::Grant::EXECUTE);
}

TEST_F(HandOverTest, AfterAResolution) {
  const auto token = harness_.Hold(Acquire("k", "holder"));
  first_ = &harness_.Do(Await("k", "first"));
  second_ = &harness_.Do(Await("k", "second"));
  harness_.Do(Release("k", token, v1::ReleaseRequest::UNKNOWN));
  EXPECT_FALSE(first_->finished()) << "it does not accept a key in doubt";
  commits_ = harness_.commits;
  harness_.Do(Resolve("k", token, v1::ResolveOutcomeRequest::NOT_EXECUTED));
  ExpectOnlyFirstGranted(v1::Grant::EXECUTE);
}

TEST_F(HandOverTest, AResultAnswersAll) {
  harness_.Do(Succeed("k", HoldAndQueue()));
  EXPECT_EQ(harness_.commits, commits_ + 1);
  EXPECT_TRUE(first_->completed());
  EXPECT_TRUE(second_->completed());
  EXPECT_EQ(harness_.waiters(), 0);
}

TEST_F(HandOverTest, AResolutionToAResultAnswersAll) {
  const auto token = harness_.Hold(Acquire("k", "holder"));
  first_ = &harness_.Do(Await("k", "first"));
  harness_.Do(Release("k", token, v1::ReleaseRequest::UNKNOWN));
  harness_.Do(Resolve("k", token, v1::ResolveOutcomeRequest::SUCCEEDED));
  EXPECT_TRUE(first_->completed());
}

TEST(QueueTest, NobodyOvertakes) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "holder"));
  auto& waiter = harness.Do(Await("k", "waiter"));
  harness.Submit(Release("k", token));
  auto& tries = harness.Submit(Acquire("k", "quick"));
  harness.Run();
  EXPECT_TRUE(waiter.granted());
  EXPECT_TRUE(tries.contended());
}

TEST(QueueTest, OneWhoDoesNotAcceptDoubtIsPassedOverAndKeepsItsPlace) {
  PartitionHarness harness;
  auto token = harness.Hold(Acquire("k", "holder"));
  auto& careful = harness.Do(Await("k", "careful"));
  auto& recovering = harness.Do(AcceptingRecover(Await("k", "recovering")));
  auto& last = harness.Do(Await("k", "last"));
  harness.Do(Release("k", token, v1::ReleaseRequest::UNKNOWN));
  EXPECT_FALSE(careful.finished());
  ASSERT_TRUE(recovering.granted());
  harness.Do(Release("k", recovering.token(), v1::ReleaseRequest::RUN_NOT_EXECUTED));
  EXPECT_TRUE(careful.granted());
  EXPECT_FALSE(last.finished());
}

TEST(QueueTest, WaitersThatAreGoneAreSkippedAndAnswered) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "holder"));
  auto& gone = harness.Do(Await("k", "gone"));
  auto& waiter = harness.Do(Await("k", "waiter"));
  gone.SetGone();  // the cancellation itself is still on its way
  harness.Do(Release("k", token));
  EXPECT_TRUE(gone.refused());
  EXPECT_TRUE(waiter.granted());
}

TEST(QueueTest, CancelledWaiterLeavesAtOnceAndIsNeverGranted) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "holder"));
  auto& cancelled = harness.Do(Await("k", "cancelled"));
  auto& waiter = harness.Do(Await("k", "waiter"));
  harness.Cancel(cancelled);
  harness.Run();
  EXPECT_TRUE(cancelled.refused());
  EXPECT_EQ(cancelled.reason(), R::REASON_UNSPECIFIED);
  EXPECT_EQ(harness.waiters(), 1);
  harness.Do(Release("k", token));
  EXPECT_TRUE(waiter.granted());
}

TEST(QueueTest, CancellationAndReleaseInOneBatch) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "holder"));
  auto& cancelled = harness.Do(Await("k", "cancelled"));
  harness.Submit(Release("k", token));
  harness.Cancel(cancelled);
  harness.Run();
  EXPECT_TRUE(cancelled.refused());
  EXPECT_EQ(harness.StoredState("k"), State::ABSENT);
}

TEST(QueueTest, CallWhoseCallerWasGoneBeforeItsBatchDoesNotWait) {
  PartitionHarness harness;
  harness.Hold(Acquire("k", "holder"));
  auto& acquire = harness.Submit(Await("k", "a"));
  auto& check = harness.Submit(Check("k", 10s));
  acquire.SetGone();
  check.SetGone();
  harness.Run();
  EXPECT_TRUE(acquire.refused());
  EXPECT_TRUE(check.refused());
  EXPECT_EQ(harness.waiters(), 0);
}

TEST(QueueTest, CancellationOfACallThatIsDeferredReachesIt) {
  PartitionHarness harness;
  harness.Submit(Acquire("k", "a"));
  harness.Submit(Renew("k", 1));
  auto& acquire = harness.Submit(Await("k", "b"));
  auto& check = harness.Submit(Check("k", 10s));
  harness.Cancel(acquire);
  harness.Cancel(check);
  harness.Run();
  EXPECT_TRUE(acquire.refused());
  EXPECT_TRUE(check.refused());
  EXPECT_EQ(harness.waiters(), 0);
}

TEST(QueueTest, LateCancellationIsHarmless) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "holder"));
  auto& finished = harness.Do(Await("k", "first"));
  harness.Do(Release("k", token));
  ASSERT_TRUE(finished.granted());
  auto& waiter = harness.Do(Await("k", "second"));
  harness.Cancel(finished);
  // The same address, another call.
  harness.Post(CancelWait{waiter.store_key, &waiter, waiter.serial - 1});
  harness.Post(CancelWait{storage::MakeStoreKey("default", "unknown"), &waiter, waiter.serial});
  harness.Run();
  EXPECT_FALSE(waiter.finished());
  harness.Do(Release("k", finished.token()));
  EXPECT_TRUE(waiter.granted());
}

TEST(QueueTest, TheLastToLeaveAKeyThatIsNotHeldLeavesNothingBehind) {
  PartitionHarness harness;
  auto& check = harness.Do(Check("k", 10s));
  harness.Cancel(check);
  harness.Run();
  EXPECT_EQ(harness.waiters(), 0);
  EXPECT_EQ(harness.partition().NextTimer(), std::nullopt);
}

TEST(RetryTest, TakesThePlaceOfTheWaitingCallItRepeats) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "holder"));
  auto& first = harness.Do(Await("k", "a"));
  auto& other = harness.Do(Await("k", "b"));
  auto& retry = harness.Do(Await("k", "a", 40s));
  EXPECT_EQ(first.reason(), R::SUPERSEDED_BY_RETRY);
  EXPECT_EQ(harness.waiters(), 2);
  harness.Delete(first);
  harness.Do(Release("k", token));
  EXPECT_TRUE(retry.granted());
  EXPECT_FALSE(other.finished());
}

TEST(RetryTest, HasItsOwnDeadline) {
  PartitionHarness harness;
  harness.Hold(Acquire("k", "holder", 1min));
  harness.Do(Await("k", "a", 2s));
  harness.Pass(1s);
  auto& retry = harness.Do(Await("k", "a", 3s));
  harness.Pass(2900ms);
  EXPECT_FALSE(retry.finished());
  harness.Pass(100ms);
  EXPECT_TRUE(retry.contended());
}

// The first copy waits until somebody has settled the key, the retry does not need that.
TEST(RetryTest, ThatAcceptsAKeyInDoubtIsServedAndEndsTheFirstCopysWait) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "holder"));
  auto& other = harness.Do(Await("k", "other"));
  auto& first = harness.Do(Await("k", "a"));
  harness.Do(Release("k", token, v1::ReleaseRequest::UNKNOWN));
  ASSERT_FALSE(first.finished());
  auto& retry = harness.Do(AcceptingRecover(Await("k", "a")));
  ASSERT_TRUE(retry.granted());
  EXPECT_EQ(retry.grant().mode(), v1::Grant::RECOVER);
  EXPECT_EQ(first.reason(), R::SUPERSEDED_BY_RETRY);
  EXPECT_EQ(harness.waiters(), 1);
  harness.Do(Release("k", retry.token(), v1::ReleaseRequest::RUN_NOT_EXECUTED));
  EXPECT_TRUE(other.granted());
}

TEST(RetryTest, IsTakenAlsoWhenTheQueueIsFull) {
  PartitionHarness harness({}, {.waiters_per_key = 1});
  harness.Hold(Acquire("k", "holder"));
  harness.Do(Await("k", "a"));
  EXPECT_EQ(harness.Do(Await("k", "b")).reason(), R::WAITERS_LIMIT);
  EXPECT_FALSE(harness.Do(Await("k", "a")).finished());
}

// Two callers that use the same attempt_id by mistake do not disturb each other's calls.
TEST(RetryTest, SameAttemptOfAnotherHolderIsAnotherWaiter) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "holder"));
  auto one = Await("k", "shared");
  auto two = Await("k", "shared");
  one.set_holder_id("one");
  two.set_holder_id("two");
  auto& first = harness.Do(one);
  auto& second = harness.Do(two);
  EXPECT_EQ(harness.waiters(), 2);
  auto& first_again = harness.Do(one);
  EXPECT_EQ(first.reason(), R::SUPERSEDED_BY_RETRY);
  harness.Cancel(first_again);
  harness.Run();
  ASSERT_TRUE(first_again.finished());
  harness.Delete(first_again);  // and the request that its attempt_id is in
  for (int i = 0; i < 50; ++i) harness.Submit(Await("k", "w" + std::to_string(i)));
  auto& second_again = harness.Do(two);
  EXPECT_EQ(second.reason(), R::SUPERSEDED_BY_RETRY);
  harness.Do(Release("k", token));
  EXPECT_TRUE(second_again.granted());
}

TEST(RetryTest, ReleaseByAttemptEndsAllWaitsOfThatAttempt) {
  PartitionHarness harness;
  harness.Hold(Acquire("k", "holder"));
  auto& a = harness.Do(Await("k", "a"));
  auto shared = Await("k", "a");
  shared.set_holder_id("somebody else");
  auto& other_holder = harness.Do(shared);
  auto& b = harness.Do(Await("k", "aa"));
  auto& release = harness.Do(GiveUp("k", "a"));
  EXPECT_EQ(release.response().state(), State::HELD);
  EXPECT_EQ(a.reason(), R::ATTEMPT_ENDED);
  EXPECT_EQ(other_holder.reason(), R::ATTEMPT_ENDED);
  EXPECT_FALSE(b.finished());
  EXPECT_EQ(harness.waiters(), 1);
}

TEST(EndedAttemptTest, LateDuplicateIsRefusedForAMinute) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "a"));
  harness.Do(Release("k", token));
  EXPECT_EQ(harness.Do(Acquire("k", "a")).reason(), R::ATTEMPT_ENDED);
  EXPECT_EQ(harness.Do(Await("k", "a")).reason(), R::ATTEMPT_ENDED);
  EXPECT_TRUE(harness.Do(Acquire("other", "a")).granted()) << "only on its own key";
  harness.Pass(59900ms);
  EXPECT_EQ(harness.Do(Acquire("k", "a")).reason(), R::ATTEMPT_ENDED);
  harness.Pass(100ms);
  EXPECT_TRUE(harness.Do(Acquire("k", "a")).granted());
}

TEST(EndedAttemptTest, OfAnAttemptThatNeverCame) {
  PartitionHarness harness;
  harness.Do(GiveUp("k", "a"));
  EXPECT_EQ(harness.Do(Acquire("k", "a")).reason(), R::ATTEMPT_ENDED);
}

TEST(EndedAttemptTest, OfAnAttemptThatWasSuperseded) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "a"));
  harness.Do(Release("k", token, v1::ReleaseRequest::UNKNOWN));
  harness.Pass(1min);
  harness.Hold(AcceptingRecover(Acquire("k", "b", 2min)));
  EXPECT_EQ(harness.Do(Await("k", "a")).reason(), R::ATTEMPT_ENDED);
}

// Its lapse left nothing of it in the store.
TEST(EndedAttemptTest, OfAnAttemptThatWasSupersededAfterAForgottenLapse) {
  PartitionHarness harness;
  harness.Hold(Mutexed(Acquire("k", "a")));
  harness.Pass(2min);
  ASSERT_EQ(harness.StoredState("k"), State::ABSENT);
  const auto token = harness.Hold(Mutexed(Acquire("k", "b")));
  EXPECT_EQ(harness.Do(Acquire("k", "a")).reason(), R::ATTEMPT_ENDED) << "while it is held";
  harness.Do(Release("k", token));
  EXPECT_EQ(harness.Do(Acquire("k", "a")).reason(), R::ATTEMPT_ENDED) << "when it is free again";
  harness.Pass(1min);
  EXPECT_TRUE(harness.Do(Acquire("k", "a")).granted()) << "a minute later";
}

TEST(EndedAttemptTest, OfAnAttemptWhoseForgottenLapseServedAWaiter) {
  PartitionHarness harness;
  harness.Hold(Mutexed(Acquire("k", "a", 1s)));
  auto& waiter = harness.Do(Await("k", "b"));
  harness.Pass(1s);
  ASSERT_TRUE(waiter.granted());
  EXPECT_EQ(harness.Do(Await("k", "a")).reason(), R::ATTEMPT_ENDED);
}

TEST(EndedAttemptTest, OfAnAttemptThatAnOperatorEnded) {
  PartitionHarness harness;
  auto token = harness.Hold(Mutexed(Acquire("forced", "a")));
  harness.Do(Force("forced", token));
  token = harness.Hold(Acquire("resolved", "a", 1s));
  harness.Pass(1s);
  harness.Do(Resolve("resolved", token, v1::ResolveOutcomeRequest::NOT_EXECUTED));
  for (const char* key : {"forced", "resolved"}) {
    ASSERT_EQ(harness.StoredState(key), State::ABSENT);
    harness.Hold(Acquire(key, "b"));
    EXPECT_EQ(harness.Do(Acquire(key, "a")).reason(), R::ATTEMPT_ENDED) << key;
  }
}

TEST(EndedAttemptTest, NotAfterALapseThatNobodyFollowed) {
  PartitionHarness harness;
  for (int lapses = 0; lapses < 3; ++lapses) {
    EXPECT_TRUE(harness.Do(Mutexed(Acquire("k", "a", 1s))).granted());
    harness.Pass(1s);
  }
  harness.Hold(Acquire("k", "b"));
  EXPECT_EQ(harness.Do(Acquire("k", "a")).reason(), R::ATTEMPT_ENDED);
}

TEST(EndedAttemptTest, TheOldestFormerOneIsForgottenFirst) {
  PartitionHarness harness({}, {.ended_attempts = 2});
  for (const char* key : {"k1", "k2", "k3"}) {
    harness.Hold(Mutexed(Acquire(key, "a", 1s)));
    harness.Pass(1s);
  }
  for (const char* key : {"k1", "k2", "k3"}) harness.Hold(Acquire(key, "b"));
  EXPECT_TRUE(harness.Do(Acquire("k1", "a")).contended());
  EXPECT_EQ(harness.Do(Acquire("k2", "a")).reason(), R::ATTEMPT_ENDED);
  EXPECT_EQ(harness.Do(Acquire("k3", "a")).reason(), R::ATTEMPT_ENDED);
}

TEST(EndedAttemptTest, TheOldestIsForgottenFirst) {
  PartitionHarness harness({}, {.ended_attempts = 3});
  for (const char* attempt : {"a", "b", "c", "d"}) harness.Do(GiveUp("k", attempt));
  EXPECT_EQ(harness.Do(Acquire("k", "b")).reason(), R::ATTEMPT_ENDED);
  EXPECT_EQ(harness.Do(Acquire("k", "d")).reason(), R::ATTEMPT_ENDED);
  EXPECT_TRUE(harness.Do(Acquire("k", "a")).granted());
}

TEST(EndedAttemptTest, EndingAgainBeginsTheMinuteAnew) {
  PartitionHarness harness({}, {.ended_attempts = 3});
  harness.Do(GiveUp("k", "a"));
  harness.Pass(30s);
  harness.Do(GiveUp("k", "a"));
  harness.Pass(40s);
  harness.Do(GiveUp("k", "b"));  // clears out what is over
  EXPECT_EQ(harness.Do(Acquire("k", "a")).reason(), R::ATTEMPT_ENDED);
}

TEST(ShutdownTest, EndsAllWaitsAndLetsNoneBegin) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "holder"));
  auto& first = harness.Do(Await("k", "a"));
  auto& second = harness.Do(Await("k", "b"));
  auto& check = harness.Do(Check("elsewhere", 10s));
  harness.Post(EndWaits{});
  harness.Run();
  EXPECT_EQ(first.reason(), R::SHUTTING_DOWN);
  EXPECT_EQ(second.reason(), R::SHUTTING_DOWN);
  EXPECT_EQ(check.reason(), R::SHUTTING_DOWN);
  EXPECT_EQ(harness.waiters(), 0);
  EXPECT_EQ(harness.Do(Await("k", "c")).reason(), R::SHUTTING_DOWN);
  EXPECT_EQ(harness.Do(Check("k", 10s)).reason(), R::SHUTTING_DOWN);
  EXPECT_TRUE(harness.Do(Acquire("k", "d")).contended());
  EXPECT_TRUE(harness.Do(Succeed("k", token)).ok()) << "what has begun can still be ended";
}

}  // namespace
}  // namespace latchkey
