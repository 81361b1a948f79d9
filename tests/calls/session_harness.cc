#include "tests/calls/session_harness.h"

#include <thread>

#include <gtest/gtest.h>

namespace latchkey {

SessionHarness::SessionHarness(Limits limits)
    : limits_(limits), reply_budget_(limits_.reply_bytes_in_flight) {
  auto retention = Retention::Start(store_, namespaces_, clock_, {.limits = limits_});
  EXPECT_TRUE(retention.ok());
  retention_ = *std::move(retention);
  partitions_ = std::make_unique<Partitions>(PartitionEnvironment{.limits = &limits_,
                                                                  .namespaces = &namespaces_,
                                                                  .clock = &clock_,
                                                                  .store = &store_,
                                                                  .retention = retention_.get(),
                                                                  .live_counts = &live_counts_,
                                                                  .fail_stop = &fail_stop_,
                                                                  .observer = &observer_,
                                                                  .waiters = nullptr,
                                                                  .storage_full = &storage_full_},
                                             2);
  EXPECT_TRUE(partitions_->Start().ok());
  environment_ = std::unique_ptr<CallEnvironment>(
      new CallEnvironment{limits_, namespaces_, clock_, *retention_, *partitions_, reply_budget_,
                          fail_stop_, shutting_down_});
}

void SessionHarness::AwaitHeld(int wanted) const {
  const MonotonicTime until = clock_.Monotonic() + std::chrono::seconds(30);
  while (held() != wanted && clock_.Monotonic() < until) std::this_thread::yield();
  EXPECT_EQ(held(), wanted);
}

}  // namespace latchkey
