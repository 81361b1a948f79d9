// A partition over a store that was restored from a backup.
#include "storage/restored_state.h"
#include "tests/partition/partition_harness.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using State = v1::CheckResultResponse;
using R = v1::Refusal;

constexpr std::uint64_t kFloor = 1'000;

v1::AuditEntry By(const std::string& actor) {
  v1::AuditEntry entry;
  entry.set_action("ClearRestoreDoubt");
  entry.set_actor(actor);
  return entry;
}

// A store that was backed up as it is now, and restored.
void Restore(PartitionHarness& harness) {
  auto state = *harness.memory.LoadState();
  ASSERT_TRUE(harness.memory.RaiseTokens(kFloor).ok());
  storage::OpenRestoreDoubt(harness.clock.Wall(), kFloor, state);
  ASSERT_TRUE(harness.memory.SaveState(state).ok());
  harness.RestartWithState();
}

TEST(RestoredPartitionTest, LeasesOfTheBackupAreOverAtOnce) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "a"));
  harness.Hold(Mutexed(Acquire("mutex", "a")));
  Restore(harness);
  EXPECT_EQ(harness.Do(Renew("k", token)).reason(), R::LEASE_EXPIRED)
      << "also where that is the first thing that is asked";
  EXPECT_EQ(harness.StoredState("k"), State::IN_DOUBT);
  EXPECT_EQ(harness.StoredState("mutex"), State::ABSENT);
  EXPECT_EQ(harness.counts().held, 0u);
  EXPECT_EQ(harness.counts().in_doubt, 1u);
}

TEST(RestoredPartitionTest, AStallDoesNotBringThemBack) {
  PartitionHarness harness;
  const auto token = harness.Hold(Acquire("k", "a"));
  Restore(harness);
  harness.clock.Advance(2s);
  EXPECT_EQ(harness.Do(Renew("k", token)).reason(), R::LEASE_EXPIRED);
}

TEST(RestoredPartitionTest, LeasesSinceTheRestoreOutliveARestart) {
  PartitionHarness harness;
  Restore(harness);
  auto recover = AcceptingRecover(Acquire("k", "a"));
  const auto token = harness.Hold(recover);
  EXPECT_GT(token, kFloor);
  harness.Restart();
  harness.Run();
  EXPECT_TRUE(harness.StoresLease("k"));
  EXPECT_TRUE(harness.Do(Renew("k", token)).ok());
}

TEST(RestoredPartitionTest, ClearingTheDoubtServesThoseWhoWaitForAbsentKeys) {
  PartitionHarness harness;
  const auto held = harness.Hold(Acquire("held", "holder"));
  Restore(harness);
  auto& first = harness.Do(Await("k", "a"));
  auto& second = harness.Do(Await("k", "b"));
  auto& doubtful = harness.Do(Await("held", "c"));
  EXPECT_FALSE(first.finished());
  ASSERT_TRUE(*harness.retention().ClearRestoreDoubt(By("ada")));
  harness.Post(ServeAbsentKeys{});
  harness.Run();
  EXPECT_TRUE(first.granted());
  EXPECT_EQ(first.grant().mode(), v1::Grant::EXECUTE);
  EXPECT_FALSE(second.finished());
  EXPECT_FALSE(doubtful.finished()) << "that key is in doubt for its own sake";
  harness.Do(Release("k", first.token()));
  EXPECT_TRUE(second.granted());
  EXPECT_TRUE(harness.Do(Succeed("held", held)).ok());
  EXPECT_TRUE(doubtful.finished());
}

TEST(RestoredPartitionTest, ANewcomerThatAcceptsIsGrantedPastThoseWhoDoNot) {
  PartitionHarness harness;
  Restore(harness);
  auto& waiting = harness.Do(Await("k", "a"));
  auto accepting = AcceptingRecover(Acquire("k", "b"));
  const auto token = harness.Do(accepting).token();
  ASSERT_NE(token, 0u);
  EXPECT_FALSE(waiting.finished());
  harness.Do(Succeed("k", token));
  EXPECT_TRUE(waiting.completed() || waiting.shared() != nullptr);
}

TEST(RestoredPartitionTest, AWaiterWhoseTimeIsUpIsToldOfTheDoubt) {
  PartitionHarness harness;
  Restore(harness);
  auto& waiting = harness.Do(Await("k", "a", 1s));
  harness.Pass(2s);
  ASSERT_TRUE(waiting.contended());
  EXPECT_TRUE(waiting.contention().in_doubt());
  EXPECT_EQ(harness.waiters(), 0u);
}

}  // namespace
}  // namespace latchkey
