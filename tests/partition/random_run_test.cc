// LATCHKEY_SEED repeats a run.
#include "tests/partition/random_run.h"

#include <cstdlib>
#include <iostream>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey {
namespace {

constexpr int kBatches = 5'000;

std::uint64_t Seed() {
  const char* seed = std::getenv("LATCHKEY_SEED");
  return seed != nullptr ? std::strtoull(seed, nullptr, 10) : std::random_device()();
}

TEST(RandomRunTest, KeepsWhatIsPromised) {
  const std::uint64_t seed = Seed();
  std::cout << "LATCHKEY_SEED=" << seed << '\n';
  RandomRun run(seed);
  for (int batch = 1; batch <= kBatches; ++batch) {
    run.Batch();
    ASSERT_EQ(run.violation(), "") << "in batch " << batch << " with LATCHKEY_SEED=" << seed;
  }
  run.Converge();
  ASSERT_EQ(run.violation(), "") << "at the end, with LATCHKEY_SEED=" << seed;

  for (const char* what :
       {"grants",        "recoveries",     "handed over",   "replays",  "superseded",
        "lapses",        "stalls",         "renewals",      "recorded", "answered by completion",
        "timed out",     "cancelled",      "unsent grants", "stale",    "fingerprints refused",
        "waiters limit", "ended attempts", "crashes",       "restarts", "failed calls"}) {
    const auto count = run.counts().find(what);
    const int exercised = count == run.counts().end() ? 0 : count->second;
    std::cout << what << ": " << exercised << '\n';
    EXPECT_GT(exercised, 0) << what << " never happened, so nothing was checked there";
  }
}

}  // namespace
}  // namespace latchkey
