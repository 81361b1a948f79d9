// What the simulation is made of does what it stands for.
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "storage/store_key.h"
#include "tools/simulation/disk.h"
#include "tools/simulation/host.h"
#include "tools/simulation/runner.h"
#include "tools/simulation/scheduler.h"

namespace latchkey::simulation {
namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

TEST(SchedulerTest, RunsInOrderOfTime) {
  Random random(1);
  Scheduler scheduler(random);
  std::vector<int> ran;
  scheduler.At(20ms, [&] { ran.push_back(2); });
  scheduler.At(10ms, [&] {
    ran.push_back(1);
    scheduler.RunUntil(25ms);  // a task that takes its time
    ran.push_back(3);
  });
  scheduler.At(30ms, [&] { ran.push_back(4); });
  scheduler.RunUntil(1s);
  EXPECT_EQ(ran, (std::vector{1, 2, 3, 4}));
  EXPECT_EQ(scheduler.now(), 1s);
}

TEST(SchedulerTest, SettlesTiesByTheSeed) {
  const auto order = [](std::uint64_t seed) {
    Random random(seed);
    Scheduler scheduler(random);
    std::string ran;
    for (char c = 'a'; c < 'g'; ++c) scheduler.At(1ms, [&ran, c] { ran.push_back(c); });
    scheduler.RunUntil(1s);
    return ran;
  };
  EXPECT_EQ(order(1), order(1));
  EXPECT_NE(order(1), order(2));
}

TEST(DriftingClockTest, ShowsWhatItSaysItWillShow) {
  for (const int drift : {-4'500, -1, 0, 1, 4'500}) {
    const DriftingClock clock(Duration(123'456'789), drift);
    for (const Duration shown : {1s + Duration(7), Duration(100s), Duration(24h * 100)}) {
      const Duration when = clock.WhenShows(clock.At(Duration::zero()) + shown);
      EXPECT_GE(clock.At(when), clock.At(Duration::zero()) + shown);
      EXPECT_LT(clock.At(when - Duration(1)), clock.At(Duration::zero()) + shown);
      EXPECT_NEAR(static_cast<double>(clock.Span(shown).count()), static_cast<double>(when.count()),
                  3);
    }
  }
}

class DiskTest : public testing::Test {
 protected:
  absl::Status Commit(DiskStore& store, int keys) {
    storage::Record record;
    record.set_state(v1::CheckResultResponse::HELD);
    std::vector<storage::Write> writes;
    for (int i = 0; i < keys; ++i) {
      writes.push_back({storage::MakeStoreKey("default", "key-" + std::to_string(++keys_)), 0,
                        &record, /*assign_token=*/true});
    }
    return store.Commit(writes).status();
  }
  DiskStore Open() {
    return DiskStore(
        disk_, [this] { return std::exchange(fate_, {}); },
        [](const std::string&, const storage::Record*) {});
  }

  Disk disk_;
  WriteFate fate_;
  int keys_ = 0;
};

TEST_F(DiskTest, TearsABatchBetweenItsWrites) {
  disk_.token_limit = 100;
  DiskStore store = Open();
  ASSERT_TRUE(Commit(store, 1).ok());  // reserves a block
  disk_.records.PutBytes("gone", "");  // so that only what follows counts
  const std::size_t before = disk_.All().size();
  fate_ = {WriteFate::End::kDies, 0.5};
  storage::Record record;
  const std::vector<storage::Write> writes = {{"a", 0, &record}, {"b", 0, &record}};
  EXPECT_FALSE(store.Commit(writes).ok());
  EXPECT_EQ(disk_.All().size(), before + 1);
}

TEST_F(DiskTest, StopsForGoodAfterAFailure) {
  DiskStore store = Open();
  fate_ = {WriteFate::End::kFails, 0};
  EXPECT_FALSE(Commit(store, 1).ok());
  EXPECT_FALSE(store.LoadState().ok());
  EXPECT_FALSE(store.Scan({}).ok());
  EXPECT_TRUE(disk_.All().empty());
}

TEST_F(DiskTest, NeverGivesATokenTwice) {
  std::uint64_t highest = 0;
  for (int life = 0; life < 5; ++life) {
    DiskStore store = Open();
    EXPECT_GE(store.HighestToken(), highest);
    ASSERT_TRUE(Commit(store, 3).ok());  // of keys that are new in each life
    EXPECT_GE(store.HighestToken(), highest + 3);
    highest = store.HighestToken();
  }
}

TEST(RunTest, IsTheSameForTheSameSeed) {
  for (const std::uint64_t seed : {3U, 4U, 5U, 6U}) {
    RunReport one;
    RunReport other;
    std::thread first([&] { one = RunSeed(seed, false); });
    std::thread second([&] { other = RunSeed(seed, false); });
    first.join();
    second.join();
    EXPECT_EQ(one.hash, other.hash) << "seed " << seed;
    EXPECT_EQ(one.steps, other.steps);
    EXPECT_EQ(one.counts, other.counts);
    EXPECT_EQ(one.violation, "");
    EXPECT_GT(one.counts["answered"], 0);
  }
}

TEST(RunTest, IsAnotherForAnotherSeed) {
  EXPECT_NE(RunSeed(3, false).hash, RunSeed(4, false).hash);
}

}  // namespace
}  // namespace latchkey::simulation
