// The clock that retention runs on: the wall clock, distrusted (rule 15).
#pragma once

#include <optional>

#include "base/time.h"

namespace latchkey {

// Never goes back. Follows the wall clock while the two are within an hour of each other, and
// otherwise advances with the monotonic clock until the wall clock has run steadily for 24 hours.
// Pure: time comes in as arguments. Not thread-safe.
class RetentionClock {
 public:
  // `stored`: where the clock stood when it was last written down; empty in a new store.
  // `accept_steps`: an operator vouches for the wall clock, so every forward step is followed at
  // once.
  RetentionClock(std::optional<WallTime> stored, bool accept_steps, MonotonicTime monotonic,
                 WallTime wall);

  // Looks at the machine's clocks; to be called about once a second.
  void Tick(MonotonicTime monotonic, WallTime wall);

  // Never ahead of what is sure.
  WallTime RetentionAt(MonotonicTime monotonic) const;
  // Never behind the true time, unless every clock of the machine is.
  WallTime LatestAt(MonotonicTime monotonic) const;

  // The last reading of RetentionAt that was a step: at the start, where it is not known how long
  // nobody looked, or where the clock followed the wall clock forward. From there on it has run
  // with the monotonic clock, within the 1% by which any two clocks may drift apart.
  WallTime steady_since() const { return steady_since_; }

  // The wall clock is off by more than an hour, either way, and is not followed.
  bool in_doubt() const { return in_doubt_; }

 private:
  void Follow(MonotonicTime monotonic, WallTime wall, WallTime steady);

  MonotonicTime tick_at_;
  WallTime tick_retention_;
  WallTime tick_latest_;
  WallTime steady_since_;
  const bool accept_steps_;
  bool in_doubt_ = false;
  // While the wall clock is ahead by a step: when that was first seen, and by how much the wall
  // clock then led the monotonic clock.
  struct Step {
    MonotonicTime seen_at;
    Duration lead;
  };
  std::optional<Step> step_;
};

}  // namespace latchkey
