#include "tools/simulation/simulated_runtime.h"

#include <algorithm>

namespace latchkey::simulation {

BootClock::time_point SimulatedRuntime::Now() {
  return BootClock::time_point(clock_.At(host_.scheduler().now()));
}

internal::Runtime::TimerId SimulatedRuntime::RunAt(BootClock::time_point when,
                                                   std::function<void()> task) {
  const TimerId id = ++last_id_;
  if (stopped_ || dead()) return id;
  tasks_.emplace(std::pair(when, id), std::move(task));
  times_.emplace(id, when);
  host_.RunAt(clock_.WhenShows(when.time_since_epoch()), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->RunDue();
  });
  return id;
}

void SimulatedRuntime::Cancel(TimerId id) {
  const auto time = times_.extract(id);
  if (!time) return;
  // Destroyed when nothing of this is in use: what it owns may come back here.
  const auto task = tasks_.extract(std::pair(time.mapped(), id));
}

void SimulatedRuntime::RunDue() {
  while (!tasks_.empty() && tasks_.begin()->first.first <= Now()) {
    const auto first = tasks_.extract(tasks_.begin());
    times_.erase(first.key().second);
    first.mapped()();
  }
}

void SimulatedRuntime::Wait(internal::Event& event, std::optional<BootClock::time_point> until) {
  if (!until) return;
  Scheduler& scheduler = host_.scheduler();
  const Duration last = clock_.WhenShows(until->time_since_epoch());
  while (!dead() && !event.IsSet() && scheduler.RunNext(last)) {
  }
}

void SimulatedRuntime::Stop() {
  stopped_ = true;
  times_.clear();
  // What is destroyed may call back, and that may come back here.
  std::exchange(tasks_, {}).clear();
}

}  // namespace latchkey::simulation
