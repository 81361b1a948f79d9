// The clock that leases are counted on.
#pragma once

#include <chrono>

namespace latchkey::inline client {

// CLOCK_BOOTTIME as a standard clock: monotonic, never stepped, and running on while the machine is
// suspended. std::chrono::steady_clock stands still then, and a holder that slept through its lease
// would go on believing in it.
struct BootClock {
  using duration = std::chrono::nanoseconds;              // As every standard clock has it.
  using rep = duration::rep;                              // As every standard clock has it.
  using period = duration::period;                        // As every standard clock has it.
  using time_point = std::chrono::time_point<BootClock>;  // As every standard clock has it.
  static constexpr bool is_steady = true;                 // It never goes back.

  // The time since the machine was started.
  static time_point now() noexcept;
};

}  // namespace latchkey::inline client
