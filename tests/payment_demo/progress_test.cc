#include "tools/payment_demo/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey::demo {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::vector<Order> kRows = {
    {"1", "ann", 1000, "EUR"}, {"1", "ann", 1500, "EUR"}, {"1", "ann", 1500, "EUR"}};

TEST(Tally, CountsCallsByTheirEnding) {
  Tally tally(kRows, 2);
  tally.Add(0, {0, Ending::kInDoubt});
  tally.Add(0, {0, Ending::kRecovered});
  tally.Add(1, {0, Ending::kReplayed});
  EXPECT_EQ(tally.calls(), 3u);
  EXPECT_EQ(tally.Count(Ending::kRecovered), 1u);
  EXPECT_EQ(tally.Count(Ending::kReplayed), 1u);
  EXPECT_EQ(tally.Count(Ending::kInDoubt), 1u);
  EXPECT_EQ(tally.Count(Ending::kPaid), 0u);
}

TEST(Tally, CountsARowOfAWorkerOnce) {
  Tally tally(kRows, 2);
  tally.Add(0, {0, Ending::kInDoubt});
  tally.Add(0, {0, Ending::kPaid});
  tally.Add(1, {0, Ending::kReplayed});
  EXPECT_EQ(tally.tried(), 2u);
  EXPECT_EQ(tally.to_try(), 6u);
}

TEST(Tally, CountsARefusedChangeOnce) {
  Tally tally(kRows, 2);
  tally.Add(0, {1, Ending::kConflict});
  tally.Add(0, {2, Ending::kConflict});
  tally.Add(1, {1, Ending::kConflict});
  EXPECT_EQ(tally.conflicts(), 1u);
  EXPECT_EQ(tally.Count(Ending::kConflict), 3u);
}

TEST(Tally, KnowsHowFarTheWorkersAreTogether) {
  Tally tally(kRows, 2);
  EXPECT_EQ(tally.share_tried(), 0);
  tally.Add(0, {0, Ending::kInDoubt});
  tally.Add(1, {0, Ending::kReplayed});
  EXPECT_NEAR(tally.share_tried(), 1.0 / 3, 1e-9);
  tally.Add(0, {1, Ending::kPaid});
  tally.Add(1, {2, Ending::kPaid});
  EXPECT_EQ(tally.share_tried(), 1);
}

TEST(Tally, LeavesASuccessorWhatIsNotSettled) {
  Tally tally(kRows, 2);
  tally.Add(0, {0, Ending::kInDoubt});
  tally.Add(0, {1, Ending::kCutOff});
  tally.Add(1, {0, Ending::kPaid});
  EXPECT_THAT(tally.SettledBy(0), IsEmpty());
  tally.Add(0, {1, Ending::kRecovered});
  tally.Add(0, {2, Ending::kConflict});
  EXPECT_THAT(tally.SettledBy(0), ElementsAre(1, 2));
  EXPECT_THAT(tally.SettledBy(1), ElementsAre(0));
}

}  // namespace
}  // namespace latchkey::demo
