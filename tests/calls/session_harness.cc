#include "tests/calls/session_harness.h"

#include <thread>

#include <gtest/gtest.h>

namespace latchkey {

SessionHarness::SessionHarness(const Limits& limits)
    : bed_(clock_, limits, {}, /*partition_count=*/2) {
  EXPECT_TRUE(bed_.partitions().Start().ok());
}

void SessionHarness::AwaitHeld(int wanted) {
  const MonotonicTime until = clock_.Monotonic() + std::chrono::seconds(30);
  while (held() != wanted && clock_.Monotonic() < until) std::this_thread::yield();
  EXPECT_EQ(held(), wanted);
}

}  // namespace latchkey
