#include "tools/payment_demo/ending.h"

#include <gtest/gtest.h>

namespace latchkey::demo {
namespace {

TEST(Ending, HasAWordThatComesBack) {
  for (const Ending ending :
       {Ending::kPaid, Ending::kDeclined, Ending::kRecovered, Ending::kReplayed, Ending::kConflict,
        Ending::kInDoubt, Ending::kFailed, Ending::kCutOff}) {
    EXPECT_EQ(ParseEnding(ToString(ending)), ending);
  }
}

TEST(Ending, HasNoOtherWords) {
  EXPECT_FALSE(ParseEnding(""));
  EXPECT_FALSE(ParseEnding("pai"));
}

TEST(IsSettled, IsWhatNeedNotBeTriedAgain) {
  for (const Ending ending : {Ending::kPaid, Ending::kDeclined, Ending::kRecovered,
                              Ending::kReplayed, Ending::kConflict}) {
    EXPECT_TRUE(IsSettled(ending)) << ToString(ending);
  }
  for (const Ending ending : {Ending::kInDoubt, Ending::kFailed, Ending::kCutOff}) {
    EXPECT_FALSE(IsSettled(ending)) << ToString(ending);
  }
}

TEST(ParseReport, TakesARowAndItsEnding) {
  const auto report = ParseReport("2 cut_off", 3);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->row, 2u);
  EXPECT_EQ(report->ending, Ending::kCutOff);
}

TEST(ParseReport, IgnoresWhatItDoesNotKnow) {
  for (const char* line : {"", "paid", "x paid", "0", "0 pai", "3 paid", "-1 paid"}) {
    EXPECT_FALSE(ParseReport(line, 3)) << line;
  }
}

}  // namespace
}  // namespace latchkey::demo
