// The families themselves, and the counters under many threads.

#include "server/metrics/server_metrics.h"

#include <thread>

#include "server/metrics/doubt_ages.h"
#include "tests/metrics/metrics_fixture.h"

namespace latchkey {
namespace {

TEST(ServerMetricsTest, TheFamiliesAreThoseOfTheContract) {
  const ServerMetrics metrics((Namespaces()));
  std::vector<std::string> names;
  for (const auto& family : metrics.Collect(Gauges())) {
    names.push_back(family.name);
    EXPECT_NE(family.help, "") << family.name;
  }
  EXPECT_THAT(
      names,
      testing::UnorderedElementsAre(
          "latchkey_acquire_total", "latchkey_refusals_total", "latchkey_request_seconds",
          "latchkey_wait_seconds", "latchkey_hold_seconds", "latchkey_waiters", "latchkey_records",
          "latchkey_in_doubt_oldest_age_seconds", "latchkey_lapses_total",
          "latchkey_lapse_lag_seconds", "latchkey_renewal_margin_seconds",
          "latchkey_stall_extensions_total", "latchkey_late_results_total",
          "latchkey_duplicate_effects_suspected_total", "latchkey_result_bytes",
          "latchkey_expired_records_total", "latchkey_commit_seconds", "latchkey_commit_batch_size",
          "latchkey_queue_length", "latchkey_sessions", "latchkey_fencing_token"));
}

// So that a first increase is seen as one.
TEST(ServerMetricsTest, CountersThatAlertsWatchAreThereFromTheStart) {
  const ServerMetrics metrics((Namespaces()));
  const auto samples = SamplesOf(metrics.Collect(Gauges()));
  for (const char* sample :
       {"latchkey_duplicate_effects_suspected_total", "latchkey_stall_extensions_total",
        "latchkey_lapses_total{namespace=\"default\",started=\"true\"}",
        "latchkey_in_doubt_oldest_age_seconds{namespace=\"*\"}"}) {
    EXPECT_TRUE(samples.contains(sample)) << sample;
  }
}

TEST(ServerMetricsTest, GaugesAreShownAsTheyAre) {
  const ServerMetrics metrics((Namespaces()));
  Gauges gauges;
  gauges.waiters = 3;
  gauges.queue_lengths = {0, 7};
  gauges.sessions = 2;
  gauges.fencing_token = 99;
  gauges.live = {{"default", {.held = 1, .in_doubt = 2}},
                 {"x", {.held = 4, .in_doubt = 0}},
                 {"y", {.held = 1, .in_doubt = 5}}};
  const auto samples = SamplesOf(metrics.Collect(gauges));
  EXPECT_EQ(samples.at("latchkey_waiters"), 3);
  EXPECT_EQ(samples.at("latchkey_queue_length{partition=\"0\"}"), 0);
  EXPECT_EQ(samples.at("latchkey_queue_length{partition=\"1\"}"), 7);
  EXPECT_EQ(samples.at("latchkey_sessions"), 2);
  EXPECT_EQ(samples.at("latchkey_fencing_token"), 99);
  EXPECT_EQ(samples.at("latchkey_records{namespace=\"default\",state=\"IN_DOUBT\"}"), 2);
  EXPECT_EQ(samples.at("latchkey_records{namespace=\"*\",state=\"HELD\"}"), 5);
  EXPECT_EQ(samples.at("latchkey_records{namespace=\"*\",state=\"IN_DOUBT\"}"), 5);
}

TEST(ServerMetricsTest, NothingIsLostWhenMoreThreadsThanShardsCount) {
  ServerMetrics metrics((Namespaces()));
  constexpr int kEach = 1'000;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 2 * kShards; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < kEach; ++n) metrics.OnCommit(std::chrono::milliseconds(2), 3);
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto samples = SamplesOf(metrics.Collect(Gauges()));
  const double all = 2.0 * kShards * kEach;
  EXPECT_EQ(samples.at("latchkey_commit_seconds_count"), all);
  EXPECT_NEAR(samples.at("latchkey_commit_seconds_sum"), all * 0.002, 0.001);
  EXPECT_EQ(samples.at("latchkey_commit_seconds_bucket{le=\"0.001\"}"), 0);
  EXPECT_EQ(samples.at("latchkey_commit_seconds_bucket{le=\"0.0025\"}"), all);
  EXPECT_EQ(samples.at("latchkey_commit_batch_size_sum"), 3 * all);
}

TEST(ServerMetricsTest, AValueOnABoundIsWithinIt) {
  ServerMetrics metrics((Namespaces()));
  metrics.OnCommit(std::chrono::milliseconds(1), 1);
  metrics.OnCommit(std::chrono::hours(1), 1);
  metrics.OnCommit(-std::chrono::seconds(1), 1);
  const auto samples = SamplesOf(metrics.Collect(Gauges()));
  EXPECT_EQ(samples.at("latchkey_commit_seconds_bucket{le=\"0.0005\"}"), 1);
  EXPECT_EQ(samples.at("latchkey_commit_seconds_bucket{le=\"0.001\"}"), 2);
  EXPECT_EQ(samples.at("latchkey_commit_seconds_bucket{le=\"60\"}"), 2);
  EXPECT_EQ(samples.at("latchkey_commit_seconds_bucket{le=\"+Inf\"}"), 3);
}

TEST(DoubtAgesTest, TheOldestCountsAndEqualOnesAreKeptApart) {
  DoubtAges ages(2);
  const auto at = [](int seconds) { return ToNanos(WallTime(std::chrono::seconds(seconds))); };
  const WallTime now(std::chrono::seconds(100));
  EXPECT_EQ(ages.OldestAge(0, now), std::nullopt);
  ages.Add(0, at(10));
  ages.Add(0, at(10));
  ages.Add(0, at(50));
  ages.Add(1, at(90));
  EXPECT_EQ(ages.OldestAge(0, now), 90s);
  EXPECT_EQ(ages.OldestAge(1, now), 10s);
  ages.Remove(0, at(10));
  EXPECT_EQ(ages.OldestAge(0, now), 90s);
  ages.Remove(0, at(10));
  EXPECT_EQ(ages.OldestAge(0, now), 50s);
  ages.Remove(0, at(50));
  EXPECT_EQ(ages.OldestAge(0, now), std::nullopt);
  EXPECT_EQ(ages.OldestAge(1, WallTime()), 0s) << "never negative";
}

}  // namespace
}  // namespace latchkey
