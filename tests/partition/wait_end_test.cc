// How a wait ends without the lock: by time, by completion, by a fingerprint, by a limit.
#include <vector>

#include "tests/partition/partition_harness.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using State = v1::CheckResultResponse;
using R = v1::Refusal;

TEST(WaitTimeoutTest, AnswersContentionWithThePlaceInTheQueue) {
  PartitionHarness harness;
  harness.Hold(Acquire("k", "holder"));
  auto& first = harness.Do(Await("k", "a", 5s));
  auto& second = harness.Do(Await("k", "b", 2s));
  auto& third = harness.Do(Await("k", "c", 3s));
  harness.Do(Check("k", 8s));
  harness.Pass(1900ms);
  EXPECT_FALSE(second.finished());
  harness.Pass(100ms);
  ASSERT_TRUE(second.contended());
  EXPECT_EQ(second.contention().holder_id(), "holder");
  EXPECT_EQ(second.contention().queue_position(), 2);
  EXPECT_EQ(second.contention().waiters(), 3);
  EXPECT_EQ(FromProto(second.contention().retry_after()), 8s);
  EXPECT_FALSE(second.contention().in_doubt());
  harness.Pass(1s);
  ASSERT_TRUE(third.contended());
  EXPECT_EQ(third.contention().queue_position(), 2) << "it had moved up";
  harness.Pass(2s);
  ASSERT_TRUE(first.contended());
  EXPECT_EQ(first.contention().queue_position(), 1);
  EXPECT_EQ(first.contention().waiters(), 1);
}

TEST(WaitTimeoutTest, OneThatTriesIsToldThePlaceItWouldHaveTaken) {
  PartitionHarness harness;
  harness.Hold(Acquire("k", "holder"));
  harness.Do(Await("k", "a"));
  auto& tries = harness.Do(Acquire("k", "b"));
  EXPECT_EQ(tries.contention().queue_position(), 2);
  EXPECT_EQ(tries.contention().waiters(), 1);
}

TEST(WaitTimeoutTest, InDoubtIsSaidWhereTheWaiterDoesNotAcceptIt) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "holder"));
  auto& waiter = harness.Do(Await("k", "a", 2s));
  harness.Do(Release("k", token, v1::ReleaseRequest::UNKNOWN));
  harness.Pass(2s);
  ASSERT_TRUE(waiter.contended());
  EXPECT_TRUE(waiter.contention().in_doubt());
  EXPECT_EQ(harness.StoredState("k"), State::IN_DOUBT);
}

// Each frees the key in the very batch in which the waiter's time is up.
class TimeIsUpTest : public testing::Test {
 protected:
  // The waiter accepts doubt, so that only its time keeps it from being granted.
  AcquireCall& HoldAndAwait(v1::AcquireLockRequest holder, Duration wait) {
    token_ = harness_.Hold(std::move(holder));
    return harness_.Do(AcceptingRecover(Await("k", "waiter", wait)));
  }
  void ExpectNotGranted(const AcquireCall& waiter, State::State state) {
    EXPECT_TRUE(waiter.contended());
    EXPECT_EQ(harness_.StoredState("k"), state);
    EXPECT_EQ(harness_.counts().held, 0);
    EXPECT_EQ(harness_.waiters(), 0);
    EXPECT_EQ(harness_.partition().NextTimer(), std::nullopt);
    auto& next = harness_.Do(AcceptingRecover(Acquire("k", "next")));
    EXPECT_TRUE(next.granted());
    EXPECT_EQ(harness_.counts().held, 1);
  }

  PartitionHarness harness_;
  std::uint64_t token_ = 0;
};

TEST_F(TimeIsUpTest, WhenTheKeyIsReleased) {
  auto& waiter = HoldAndAwait(Acquire("k", "holder"), 400ms);
  harness_.clock.Advance(400ms);
  harness_.Do(Release("k", token_));
  ExpectNotGranted(waiter, State::ABSENT);
}

TEST_F(TimeIsUpTest, WhenTheLeaseLapses) {
  auto& waiter = HoldAndAwait(Mutexed(Acquire("k", "holder", 400ms)), 400ms);
  harness_.clock.Advance(400ms);
  harness_.Run();
  ExpectNotGranted(waiter, State::ABSENT);
}

TEST_F(TimeIsUpTest, WhenTheLeaseLapsesIntoDoubt) {
  auto& waiter = HoldAndAwait(Acquire("k", "holder", 400ms), 400ms);
  harness_.clock.Advance(400ms);
  harness_.Run();
  ExpectNotGranted(waiter, State::IN_DOUBT);
}

TEST_F(TimeIsUpTest, AndTheNextInTheQueueIsServed) {
  auto& waiter = HoldAndAwait(Acquire("k", "holder"), 400ms);
  auto& next = harness_.Do(Await("k", "patient"));
  harness_.clock.Advance(400ms);
  harness_.Do(Release("k", token_));
  EXPECT_TRUE(waiter.contended());
  EXPECT_TRUE(next.granted());
}

TEST_F(TimeIsUpTest, BeforeItsBatchBegins) {
  token_ = harness_.Hold(Acquire("k", "holder"));
  auto& late = harness_.Submit(Await("k", "late", 300ms));
  harness_.clock.Advance(300ms);
  harness_.Run();
  EXPECT_TRUE(late.contended());
  EXPECT_EQ(harness_.waiters(), 0);
}

TEST(CheckWaitTest, EndsAtCompletion) {
  PartitionHarness harness;
  auto& early = harness.Do(Check("k", 30s));
  EXPECT_FALSE(early.finished()) << "also on an absent key";
  const auto token = harness.Hold(Acquire("k", "a"));
  auto& check = harness.Do(Check("k", 30s));
  harness.Do(Release("k", token, v1::ReleaseRequest::UNKNOWN));
  EXPECT_FALSE(check.finished()) << "doubt does not end it";
  harness.Do(Succeed("k", token, "ch_7"));
  ASSERT_TRUE(check.ok());
  EXPECT_EQ(check.response().state(), State::COMPLETED);
  EXPECT_EQ(check.response().result().provider_reference(), "ch_7");
  EXPECT_EQ(check.response().attempt_number(), 1);
  EXPECT_EQ(early.response().state(), State::COMPLETED);
}

TEST(CheckWaitTest, IsAnsweredTheStateOfTheMomentWhenTimeIsUp) {
  PartitionHarness harness;
  auto& absent = harness.Do(Check("none", 2s));
  const auto token = harness.Hold(Acquire("k", "a"));
  auto& held = harness.Do(Check("k", 2s));
  auto& doubtful = harness.Do(Check("k", 3s));
  harness.Pass(2s);
  EXPECT_EQ(absent.response().state(), State::ABSENT);
  EXPECT_EQ(held.response().state(), State::HELD);
  EXPECT_EQ(held.response().holder_id(), "a");
  harness.Do(Release("k", token, v1::ReleaseRequest::UNKNOWN));
  harness.Pass(1s);
  EXPECT_EQ(doubtful.response().state(), State::IN_DOUBT);
}

TEST(CheckWaitTest, TakesNoPlaceInTheQueue) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "a"));
  auto& check = harness.Do(Check("k", 30s));
  auto& waiter = harness.Do(Await("k", "b", 2s));
  auto& next = harness.Do(Await("k", "c"));
  harness.Pass(2s);
  EXPECT_EQ(waiter.contention().queue_position(), 1);
  harness.Do(Release("k", token));
  EXPECT_TRUE(next.granted());
  EXPECT_FALSE(check.finished());
}

TEST(CompletionTest, AnswersAllWaitersWithOneSharedResponse) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "a"));
  std::vector<AcquireCall*> acquires;
  std::vector<CheckCall*> checks;
  for (int i = 0; i < 20; ++i) {
    acquires.push_back(&harness.Do(Await("k", "w" + std::to_string(i))));
    checks.push_back(&harness.Do(Check("k", 30s)));
  }
  harness.Do(Succeed("k", token, "ch_9"));
  for (const AcquireCall* call : acquires) {
    ASSERT_TRUE(call->completed());
    EXPECT_EQ(call->response().completed().result().provider_reference(), "ch_9");
    EXPECT_EQ(call->shared(), acquires.front()->shared());
  }
  for (const CheckCall* call : checks) {
    ASSERT_TRUE(call->ok());
    EXPECT_EQ(call->shared(), checks.front()->shared());
  }
  EXPECT_NE(acquires.front()->shared(), nullptr);
  EXPECT_NE(checks.front()->shared(), nullptr);
  EXPECT_EQ(harness.waiters(), 0);
  EXPECT_EQ(harness.partition().NextTimer(), std::nullopt);
}

TEST(FingerprintTest, TheFirstOneThatAGrantBringsRefusesWaitersWithAnother) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "holder"));  // brings none
  auto& first = harness.Do(Fingerprinted(Await("k", "a"), "F1"));
  auto& other = harness.Do(Fingerprinted(Await("k", "b"), "F2"));
  auto& same = harness.Do(Fingerprinted(Await("k", "c"), "F1"));
  auto& none = harness.Do(Await("k", "d"));
  auto other_check = Check("k", 30s);
  other_check.set_fingerprint("F2");
  auto& check = harness.Do(other_check);
  const int commits = harness.commits;
  harness.Do(Release("k", token));
  EXPECT_TRUE(first.granted());
  EXPECT_EQ(other.reason(), R::FINGERPRINT_MISMATCH);
  EXPECT_EQ(check.reason(), R::FINGERPRINT_MISMATCH);
  EXPECT_FALSE(same.finished());
  EXPECT_FALSE(none.finished());
  EXPECT_EQ(harness.commits, commits + 1);
  EXPECT_EQ(harness.waiters(), 2);
}

TEST(FingerprintTest, CompletionShowsNothingToAnother) {
  PartitionHarness harness;
  auto other_check = Check("k", 30s);
  other_check.set_fingerprint("F2");
  auto& check = harness.Do(other_check);  // the key is absent, so nothing is compared yet
  auto same_check = Check("k", 30s);
  same_check.set_fingerprint("F1");
  auto& same = harness.Do(same_check);
  const auto token = harness.Hold(Fingerprinted(Acquire("k", "a"), "F1"));
  EXPECT_EQ(check.reason(), R::FINGERPRINT_MISMATCH) << "at the grant already";
  EXPECT_EQ(harness.Do(Fingerprinted(Await("k", "b"), "F2")).reason(), R::FINGERPRINT_MISMATCH);
  harness.Do(Succeed("k", token));
  EXPECT_EQ(same.response().state(), State::COMPLETED);
  EXPECT_EQ(harness.waiters(), 0);
}

TEST(FingerprintTest, TheNextRunBringsItsOwn) {
  PartitionHarness harness;
  auto token = harness.Hold(Fingerprinted(Acquire("k", "a"), "F1"));
  auto& waiter = harness.Do(Await("k", "b"));
  harness.Do(Release("k", token));
  ASSERT_TRUE(waiter.granted());
  EXPECT_TRUE(harness.Do(Fingerprinted(Acquire("k", "c"), "F2")).contended());
}

TEST(WaitersLimitTest, PerKeyAtTheLimitAndOnePast) {
  PartitionHarness harness({}, {.waiters_per_key = 3});
  harness.Hold(Acquire("k", "holder"));
  harness.Hold(Acquire("other", "holder"));
  auto& first = harness.Do(Await("k", "a"));
  EXPECT_FALSE(harness.Do(Await("k", "b")).finished());
  EXPECT_FALSE(harness.Do(Check("k", 30s)).finished());
  EXPECT_EQ(harness.Do(Await("k", "c")).reason(), R::WAITERS_LIMIT);
  EXPECT_EQ(harness.Do(Check("k", 30s)).reason(), R::WAITERS_LIMIT);
  EXPECT_TRUE(harness.Do(Acquire("k", "d")).contended()) << "it does not wait";
  EXPECT_FALSE(harness.Do(Await("other", "e")).finished());
  harness.Cancel(first);
  harness.Run();
  EXPECT_FALSE(harness.Do(Await("k", "c")).finished());
}

TEST(WaitersLimitTest, InAllAtTheLimitAndOnePast) {
  PartitionHarness harness({}, {.waiters_total = 3});
  harness.Hold(Acquire("k1", "holder"));
  const auto token = harness.Hold(Acquire("k2", "holder"));
  EXPECT_FALSE(harness.Do(Await("k1", "a")).finished());
  EXPECT_FALSE(harness.Do(Await("k2", "b")).finished());
  EXPECT_FALSE(harness.Do(Check("absent", 30s)).finished());
  EXPECT_EQ(harness.Do(Await("k1", "c")).reason(), R::WAITERS_LIMIT);
  EXPECT_EQ(harness.waiters(), 3);
  harness.Do(Release("k2", token));
  EXPECT_FALSE(harness.Do(Await("k1", "c")).finished());
  EXPECT_EQ(harness.waiters(), 3);
}

}  // namespace
}  // namespace latchkey
