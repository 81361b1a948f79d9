#include "server/partition/quotas.h"

#include <gtest/gtest.h>

namespace latchkey {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

class QuotasTest : public testing::Test {
 protected:
  // Keys that may begin now, at `per_second`, up to `most`.
  int BeginAll(const std::string& name_space, std::uint64_t per_second, int most = 1'000) {
    int begun = 0;
    while (begun < most && !quotas_.UntilNextKey(name_space, per_second, now_).has_value()) {
      quotas_.CountKey(name_space, per_second, now_);
      ++begun;
    }
    return begun;
  }

  Quotas quotas_;
  MonotonicTime now_{100s};
};

TEST_F(QuotasTest, ABucketHoldsOneSecondAndFillsInOne) {
  EXPECT_EQ(BeginAll("shop", 10), 10);
  EXPECT_EQ(quotas_.UntilNextKey("shop", 10, now_), 100ms);
  now_ += 99ms;
  EXPECT_EQ(BeginAll("shop", 10), 0);
  now_ += 1ms;
  EXPECT_EQ(BeginAll("shop", 10), 1);
  now_ += 10s;
  EXPECT_EQ(BeginAll("shop", 10), 10);
  EXPECT_EQ(BeginAll("other", 10), 10);
}

TEST_F(QuotasTest, TheAverageIsTheRate) {
  int begun = 0;
  for (int i = 0; i < 1'000; ++i) {
    begun += BeginAll("shop", 7);
    now_ += 10ms;
  }
  EXPECT_GE(begun, 70);
  EXPECT_LE(begun, 77);  // and the second that the bucket held
}

TEST_F(QuotasTest, ARateThatChangesCountsFromNowOn) {
  EXPECT_EQ(BeginAll("shop", 10), 10);
  now_ += 1s;
  EXPECT_EQ(BeginAll("shop", 1), 1);
  EXPECT_EQ(BeginAll("shop", 1), 0);
}

// A bucket that owes is not forgotten, however many there are.
TEST_F(QuotasTest, ManyNamespaces) {
  for (int i = 0; i < 5'000; ++i) EXPECT_EQ(BeginAll("n" + std::to_string(i), 1), 1);
  for (int i = 0; i < 5'000; ++i) EXPECT_EQ(BeginAll("n" + std::to_string(i), 1), 0);
}

TEST_F(QuotasTest, Waiters) {
  EXPECT_TRUE(quotas_.AddWaiter("shop", 2));
  EXPECT_TRUE(quotas_.AddWaiter("shop", 2));
  EXPECT_FALSE(quotas_.AddWaiter("shop", 2));
  EXPECT_TRUE(quotas_.AddWaiter("shop", 0));  // no quota any more
  EXPECT_EQ(quotas_.Waiters("shop"), 3u);
  quotas_.RemoveWaiters("shop", 2);
  EXPECT_FALSE(quotas_.AddWaiter("shop", 1));
  quotas_.RemoveWaiters("shop");
  quotas_.RemoveWaiters("shop");
  EXPECT_EQ(quotas_.Waiters("shop"), 0u);
  EXPECT_TRUE(quotas_.AddWaiter("shop", 1));
}

TEST_F(QuotasTest, StoredBytesAreThoseOfTheLastLook) {
  quotas_.SetStoredBytes({{"shop", 7}});
  EXPECT_EQ(quotas_.StoredBytes("shop"), 7u);
  quotas_.SetStoredBytes({});
  EXPECT_EQ(quotas_.StoredBytes("shop"), 0u);
}

}  // namespace
}  // namespace latchkey
