#include "server/retention/retention_clock.h"

#include <algorithm>

namespace latchkey {
namespace {

constexpr Duration kStepMax = std::chrono::hours(1);
constexpr Duration kSteadyFor = std::chrono::hours(24);
// How far a wall clock that runs steadily may drift from the monotonic clock in that time.
constexpr Duration kSteadyWithin = std::chrono::minutes(1);
// What the wall clock may gain between two looks without its being a step: 1% of a second.
constexpr Duration kDriftMax = std::chrono::milliseconds(10);
// Stands for "any time at all" where the time that has passed is not known.
constexpr Duration kUnknown = std::chrono::hours(24 * 365 * 100);

Duration Lead(WallTime wall, MonotonicTime monotonic) {
  return wall.time_since_epoch() - monotonic.time_since_epoch();
}

}  // namespace

RetentionClock::RetentionClock(std::optional<WallTime> stored, bool accept_steps,
                               MonotonicTime monotonic, WallTime wall)
    : tick_at_(monotonic),
      tick_retention_(stored.value_or(wall)),
      tick_latest_(tick_retention_),
      accept_steps_(accept_steps) {
  Tick(monotonic, wall);
  steady_since_ = tick_retention_;
}

void RetentionClock::Tick(MonotonicTime monotonic, WallTime wall) {
  const WallTime steady = RetentionAt(monotonic);
  Follow(monotonic, wall, steady);
  if (tick_retention_ - steady > kDriftMax) steady_since_ = tick_retention_;
}

void RetentionClock::Follow(MonotonicTime monotonic, WallTime wall, WallTime steady) {
  tick_at_ = monotonic;
  if (wall - steady > kStepMax && !accept_steps_) {
    const Duration lead = Lead(wall, monotonic);
    if (!step_.has_value() || std::chrono::abs(lead - step_->lead) > kSteadyWithin) {
      step_ = Step{monotonic, lead};
    }
    in_doubt_ = monotonic - step_->seen_at < kSteadyFor;
    tick_retention_ = in_doubt_ ? steady : wall;
    tick_latest_ = wall;
    return;
  }
  step_.reset();
  in_doubt_ = steady - wall > kStepMax;
  tick_retention_ = in_doubt_ ? steady : std::max(steady, wall);
  tick_latest_ = in_doubt_ ? steady + kUnknown : std::max(steady, wall);
}

WallTime RetentionClock::RetentionAt(MonotonicTime monotonic) const {
  return tick_retention_ + (monotonic - tick_at_);
}

WallTime RetentionClock::LatestAt(MonotonicTime monotonic) const {
  return tick_latest_ + (monotonic - tick_at_);
}

}  // namespace latchkey
