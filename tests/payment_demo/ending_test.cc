#include "tools/payment_demo/ending.h"

#include <gtest/gtest.h>

namespace latchkey::demo {
namespace {

TEST(Ending, HasAWordThatComesBack) {
  for (const Ending ending :
       {Ending::kPaid, Ending::kDeclined, Ending::kRecovered, Ending::kReplayed, Ending::kConflict,
        Ending::kInDoubt, Ending::kFailed}) {
    EXPECT_EQ(ParseEnding(ToString(ending)), ending);
  }
}

TEST(Ending, HasNoOtherWords) {
  EXPECT_FALSE(ParseEnding(""));
  EXPECT_FALSE(ParseEnding("pai"));
}

}  // namespace
}  // namespace latchkey::demo
