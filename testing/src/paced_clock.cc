#include "testing/src/paced_clock.h"

#include <algorithm>

namespace latchkey::testing_internal {
namespace {

// With a step of TestServer::AdvanceTime it stays below what the server takes for a stall.
constexpr Duration kPaceMax = std::chrono::milliseconds(200);

}  // namespace

PacedClock::PacedClock() : seen_(system_.Monotonic()), monotonic_(seen_), wall_(system_.Wall()) {}

MonotonicTime PacedClock::Monotonic() {
  MutexLock lock(mutex_);
  Follow();
  return monotonic_;
}

WallTime PacedClock::Wall() {
  MutexLock lock(mutex_);
  Follow();
  return wall_;
}

void PacedClock::Advance(Duration by) {
  MutexLock lock(mutex_);
  monotonic_ += by;
  wall_ += by;
}

void PacedClock::Follow() {
  const MonotonicTime now = system_.Monotonic();
  const Duration passed = std::min<Duration>(now - seen_, kPaceMax);
  seen_ = now;
  monotonic_ += passed;
  wall_ += passed;
}

}  // namespace latchkey::testing_internal
