#include "tools/payment_demo/progress.h"

#include <gtest/gtest.h>

namespace latchkey::demo {
namespace {

const std::vector<Order> kRows = {
    {"1", "ann", 1000, "EUR"}, {"1", "ann", 1500, "EUR"}, {"1", "ann", 1500, "EUR"}};

TEST(Tally, CountsCallsByTheirEnding) {
  Tally tally(kRows, 2);
  tally.Add(0, "0 in_doubt");
  tally.Add(0, "0 recovered");
  tally.Add(1, "0 replayed");
  EXPECT_EQ(tally.calls(), 3u);
  EXPECT_EQ(tally.Count(Ending::kRecovered), 1u);
  EXPECT_EQ(tally.Count(Ending::kReplayed), 1u);
  EXPECT_EQ(tally.Count(Ending::kInDoubt), 1u);
  EXPECT_EQ(tally.Count(Ending::kPaid), 0u);
}

TEST(Tally, CountsARowOfAWorkerOnce) {
  Tally tally(kRows, 2);
  tally.Add(0, "0 in_doubt");
  tally.Add(0, "0 paid");
  tally.Add(1, "0 replayed");
  EXPECT_EQ(tally.tried(), 2u);
  EXPECT_EQ(tally.to_try(), 6u);
}

TEST(Tally, CountsARefusedChangeOnce) {
  Tally tally(kRows, 2);
  tally.Add(0, "1 conflict");
  tally.Add(0, "2 conflict");
  tally.Add(1, "1 conflict");
  EXPECT_EQ(tally.conflicts(), 1u);
  EXPECT_EQ(tally.Count(Ending::kConflict), 3u);
}

TEST(Tally, IgnoresWhatItDoesNotKnow) {
  Tally tally(kRows, 1);
  for (const char* line : {"", "paid", "x paid", "0", "0 pai", "3 paid", "-1 paid"})
    tally.Add(0, line);
  EXPECT_EQ(tally.calls(), 0u);
}

}  // namespace
}  // namespace latchkey::demo
