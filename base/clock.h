// Where time comes from. Everything that needs the time is handed a Clock, so that tests and
// simulators decide what time it is.
#pragma once

#include "base/time.h"

namespace latchkey {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Never goes back; stands still while the machine is suspended.
  virtual MonotonicTime Monotonic() = 0;
  // What the machine believes the date is; may step either way at any moment.
  virtual WallTime Wall() = 0;
};

// The machine's own clocks.
class SystemClock final : public Clock {
 public:
  MonotonicTime Monotonic() override;
  WallTime Wall() override;
};

}  // namespace latchkey
