// Replies that do not fit wait, and go in turn, however they end.
#include "server/calls/reply_budget.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using ::testing::ElementsAre;

TEST(ReplyBudgetTest, WhatDoesNotFitIsSentInTurn) {
  ReplyBudget budget(100);
  std::vector<int> sent;
  budget.Acquire(60, [&] { sent.push_back(1); });
  budget.Acquire(60, [&] { sent.push_back(2); });
  budget.Acquire(30, [&] { sent.push_back(3); });
  EXPECT_FALSE(budget.TryAcquire(1)) << "others queue";
  EXPECT_THAT(sent, ElementsAre(1));
  budget.Release(60);
  EXPECT_THAT(sent, ElementsAre(1, 2, 3));
}

TEST(ReplyBudgetTest, WhatIsLargerThanAllIsSentAlone) {
  ReplyBudget budget(100);
  ASSERT_TRUE(budget.TryAcquire(10));
  bool sent = false;
  budget.Acquire(1'000, [&] { sent = true; });
  EXPECT_FALSE(sent);
  budget.Release(10);
  EXPECT_TRUE(sent);
  EXPECT_FALSE(budget.TryAcquire(1));
}

// As when a session with many replies to come is closed. One call deeper for each would be more
// than a stack holds.
TEST(ReplyBudgetTest, RepliesThatAreDroppedAsSoonAsTheyFit) {
  constexpr int kReplies = 1'000'000;
  ReplyBudget budget(100);
  ASSERT_TRUE(budget.TryAcquire(100));
  int dropped = 0;
  for (int i = 0; i < kReplies; ++i) {
    budget.Acquire(100, [&] {
      ++dropped;
      budget.Release(100);
    });
  }
  EXPECT_EQ(dropped, 0);
  budget.Release(100);
  EXPECT_EQ(dropped, kReplies);
  EXPECT_TRUE(budget.TryAcquire(100));
}

}  // namespace
}  // namespace latchkey
