// A clock that stands still until it is told otherwise. For tests and simulators.
#pragma once

#include <atomic>

#include "base/clock.h"

namespace latchkey {

// Thread-safe.
class FakeClock final : public Clock {
 public:
  // Starts away from zero, so that a forgotten initialisation shows.
  FakeClock() : monotonic_(std::chrono::hours(1)), wall_(std::chrono::hours(24 * 365 * 56)) {}

  MonotonicTime Monotonic() override { return MonotonicTime(monotonic_.load()); }
  WallTime Wall() override { return WallTime(wall_.load()); }

  // Lets both clocks run on.
  void Advance(Duration by) {
    monotonic_.store(monotonic_.load() + by);
    wall_.store(wall_.load() + by);
  }
  // Steps the wall clock only, either way.
  void StepWall(Duration by) { wall_.store(wall_.load() + by); }

 private:
  std::atomic<Duration> monotonic_;
  std::atomic<Duration> wall_;
};

}  // namespace latchkey
