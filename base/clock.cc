#include "base/clock.h"

namespace latchkey {

MonotonicTime SystemClock::Monotonic() {
  return MonotonicTime(std::chrono::steady_clock::now().time_since_epoch());
}

WallTime SystemClock::Wall() {
  return WallTime(std::chrono::system_clock::now().time_since_epoch());
}

}  // namespace latchkey
