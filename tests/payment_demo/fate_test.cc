#include "tools/payment_demo/fate.h"

#include <map>
#include <string>

#include "tools/payment_demo/cashier.h"
#include <gtest/gtest.h>

namespace latchkey::demo {
namespace {

TEST(SeededFate, DependsOnSeedOrderAndCallOnly) {
  const auto describe = [](const Fate& fate) {
    return std::to_string(static_cast<int>(fate.mishap)) + "/" +
           std::to_string(fate.latency.count());
  };
  const auto fates = [&](std::uint64_t seed) {
    std::string all;
    const FateOf fate_of = SeededFate(seed);
    for (const char* order : {"104201", "104202", "104203"}) {
      for (int call = 1; call <= 3; ++call) all += describe(fate_of(order, call)) + " ";
    }
    return all;
  };
  EXPECT_EQ(fates(7), fates(7));
  EXPECT_NE(fates(7), fates(8));
}

TEST(SeededFate, HasEveryMishapAndMostlyNone) {
  std::map<Mishap, int> counts;
  int slow = 0;
  const FateOf fate_of = SeededFate(1);
  for (int order = 0; order < 2'000; ++order) {
    const Fate fate = fate_of(std::to_string(order), 1);
    ++counts[fate.mishap];
    EXPECT_LE(fate.latency, kLongestCall);
    if (fate.latency > kPatience) ++slow;
  }
  EXPECT_GT(counts[Mishap::kNone], 1'700);
  EXPECT_GT(counts[Mishap::kRequestLost], 20);
  EXPECT_GT(counts[Mishap::kReplyLost], 20);
  EXPECT_GT(counts[Mishap::kNoReply], 10);
  EXPECT_GT(slow, 10);
}

}  // namespace
}  // namespace latchkey::demo
