// A grant whose reply could not be sent is taken back at once, unless somebody knows of it.
#include "tests/partition/partition_harness.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using State = v1::CheckResultResponse;

class UnsentGrantTest : public testing::Test {
 protected:
  // Its caller goes while the store is at work.
  void GoesDuringTheCommit(RememberingCall& call) {
    harness_.during_commit = [&] { call.SetGone(); };
  }

  PartitionHarness harness_;
};

TEST_F(UnsentGrantTest, IsTakenBackAtOnce) {
  auto& call = harness_.Submit(Acquire("k", "a"));
  GoesDuringTheCommit(call);
  harness_.Run();
  EXPECT_TRUE(call.finished());
  EXPECT_FALSE(call.granted()) << "nobody may be told of it";
  EXPECT_EQ(harness_.StoredState("k"), State::ABSENT);
  EXPECT_EQ(harness_.counts().held, 0);
  EXPECT_EQ(harness_.partition().NextTimer(), std::nullopt);
}

TEST_F(UnsentGrantTest, IsHandedOn) {
  const auto token = harness_.Hold(Acquire("k", "holder"));
  auto& gone = harness_.Do(Await("k", "gone"));
  auto& next = harness_.Do(Await("k", "next"));
  GoesDuringTheCommit(gone);
  harness_.Do(Release("k", token));
  EXPECT_TRUE(gone.finished());
  ASSERT_TRUE(next.granted());
  EXPECT_EQ(next.grant().mode(), v1::Grant::EXECUTE);
  EXPECT_EQ(next.grant().attempt_number(), 1);
}

TEST_F(UnsentGrantTest, LeavesTheAttemptFreeToTryAgain) {
  auto& call = harness_.Submit(Acquire("k", "a"));
  GoesDuringTheCommit(call);
  harness_.Run();
  auto& retry = harness_.Do(Acquire("k", "a"));
  ASSERT_TRUE(retry.granted());
  EXPECT_FALSE(retry.grant().replayed());
}

TEST_F(UnsentGrantTest, StandsIfAReplayInTheSameBatchWasAnswered) {
  auto& call = harness_.Submit(Acquire("k", "a"));
  auto& retry = harness_.Submit(Acquire("k", "a"));
  GoesDuringTheCommit(call);
  harness_.Run();
  EXPECT_TRUE(retry.granted());
  EXPECT_TRUE(harness_.StoresLease("k"));
  EXPECT_TRUE(harness_.Do(Renew("k", retry.token())).ok());
}

TEST_F(UnsentGrantTest, StandsIfTheReplayIsTheOneThatWasNotSent) {
  const auto token = harness_.Hold(Acquire("k", "a"));
  auto& replay = harness_.Submit(Acquire("k", "a"));
  harness_.Submit(Acquire("other", "b"));  // so that there is a commit
  GoesDuringTheCommit(replay);
  harness_.Run();
  EXPECT_TRUE(harness_.StoresLease("k"));
  EXPECT_TRUE(harness_.Do(Renew("k", token)).ok());
}

// Its first reply was sent by the process that was here before.
TEST_F(UnsentGrantTest, StandsAfterARestart) {
  const auto token = harness_.Hold(Acquire("k", "a"));
  harness_.Restart();
  auto& replay = harness_.Submit(Acquire("k", "a"));
  harness_.Submit(Acquire("other", "b"));
  GoesDuringTheCommit(replay);
  harness_.Run();
  EXPECT_TRUE(replay.finished());
  EXPECT_TRUE(harness_.StoresLease("k"));
  EXPECT_TRUE(harness_.Do(Renew("k", token)).ok());
}

TEST_F(UnsentGrantTest, OfARecoveryLeavesDoubt) {
  const auto token = harness_.Hold(Acquire("k", "holder"));
  harness_.Do(Release("k", token, v1::ReleaseRequest::UNKNOWN));
  auto& call = harness_.Submit(AcceptingRecover(Acquire("k", "a")));
  GoesDuringTheCommit(call);
  harness_.Run();
  EXPECT_EQ(harness_.StoredState("k"), State::IN_DOUBT);
  EXPECT_EQ(harness_.counts().in_doubt, 1);
  EXPECT_TRUE(harness_.Do(Acquire("k", "b")).contention().in_doubt());
  EXPECT_EQ(harness_.Hold(AcceptingRecover(Acquire("k", "b"))), 3);
}

// Both answers of the batch are lost, and the next one brings the retry.
TEST_F(UnsentGrantTest, IsTakenBackBeforeTheNextBatchIsDecided) {
  auto& call = harness_.Submit(Acquire("k", "a"));
  auto& retry = harness_.Submit(Acquire("k", "a"));
  harness_.during_commit = [&] {
    call.SetGone();
    retry.SetGone();
  };
  harness_.RunOneBatch();
  harness_.during_commit = nullptr;
  auto& other = harness_.Submit(Acquire("k", "b"));
  auto& again = harness_.Submit(Acquire("k", "a"));
  harness_.Run();
  EXPECT_TRUE(other.granted());
  EXPECT_TRUE(again.contended());
}

// The retry had to wait for the next batch behind another call on the key.
TEST_F(UnsentGrantTest, IsNotRepeatedToADeferredRetryAndThenTakenBack) {
  const auto token = harness_.Hold(Acquire("k", "holder"));
  auto& gone = harness_.Do(Await("k", "gone"));
  auto& next = harness_.Do(Await("k", "next"));
  GoesDuringTheCommit(gone);
  harness_.Submit(Release("k", token));
  harness_.Submit(Renew("k", token));
  auto& retry = harness_.Submit(Acquire("k", "gone"));
  harness_.Run();
  EXPECT_TRUE(next.granted());
  EXPECT_TRUE(retry.contended());
}

TEST_F(UnsentGrantTest, OnlyTheGrantThatIsMeantIsTakenBack) {
  const auto token = harness_.Hold(Acquire("k", "a"));
  harness_.Do(Release("k", token));
  const auto next = harness_.Hold(Acquire("k", "b"));
  harness_.Post(UnsentGrant{storage::MakeStoreKey("default", "k"), token});
  harness_.Run();
  EXPECT_TRUE(harness_.Do(Renew("k", next)).ok());
}

}  // namespace
}  // namespace latchkey
