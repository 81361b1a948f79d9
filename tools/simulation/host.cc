#include "tools/simulation/host.h"

#include <algorithm>
#include <utility>

namespace latchkey::simulation {
namespace {

constexpr std::int64_t kMillion = 1'000'000;

// a * b / c where a * b may be more than fits.
std::int64_t Scale(std::int64_t a, std::int64_t b, std::int64_t c) {
  return a / c * b + a % c * b / c;
}

}  // namespace

Duration DriftingClock::Drift(Duration time) const {
  return Duration(Scale(time.count(), drift_ppm_, kMillion));
}

Duration DriftingClock::WhenShows(Duration shown) const {
  Duration time(Scale((shown - at_zero_).count(), kMillion, kMillion + drift_ppm_));
  time -= Duration(2);  // for the rounding on the way
  while (At(time) < shown) ++time;
  return time;
}

Duration DriftingClock::Span(Duration shown) const {
  return Duration(Scale(shown.count(), kMillion, kMillion + drift_ppm_));
}

void Host::RunAt(Duration when, std::function<void()> task) {
  scheduler_.At(when, [this, life = life_, task = std::move(task)] {
    if (life != life_) return;
    if (paused() || !held_back_.empty()) {
      held_back_.push_back(task);
    } else {
      Enter(task);
    }
  });
}

void Host::PauseFor(Duration time) {
  paused_until_ = std::max(paused_until_, scheduler_.now() + time);
  scheduler_.At(paused_until_, [this, life = life_] {
    if (life == life_ && !paused()) Resume();
  });
}

void Host::Resume() {
  const std::uint64_t life = life_;
  while (life == life_ && !paused() && !held_back_.empty()) {
    const auto task = std::move(held_back_.front());
    held_back_.pop_front();
    Enter(task);
  }
}

}  // namespace latchkey::simulation
