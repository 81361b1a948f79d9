// Virtual time: everything that happens in a simulation is a task that falls due at some moment.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <tuple>
#include <vector>

#include "base/time.h"
#include "tools/simulation/random.h"

namespace latchkey::simulation {

// Time is counted from the beginning of the run; no host's clock shows it. For one thread.
class Scheduler {
 public:
  // `random` settles what comes first at one moment.
  explicit Scheduler(Random& random) : random_(random) {}

  Duration now() const { return now_; }
  std::uint64_t steps() const { return steps_; }

  void At(Duration when, std::function<void()> task);
  void After(Duration delay, std::function<void()> task) { At(now_ + delay, std::move(task)); }

  // Runs the next task, if one is due by `until`; otherwise it is `until` now, and false. May be
  // called from within a task, which then takes that long.
  bool RunNext(Duration until);
  // Destroys what has not run.
  void Clear();
  void RunUntil(Duration until) {
    while (RunNext(until)) {
    }
  }

 private:
  struct Task {
    Duration when;
    std::uint64_t tie;
    std::uint64_t number;
    std::function<void()> run;
  };
  struct Later {
    bool operator()(const Task& a, const Task& b) const {
      return std::tie(a.when, a.tie, a.number) > std::tie(b.when, b.tie, b.number);
    }
  };

  Random& random_;
  Duration now_ = Duration::zero();
  std::uint64_t steps_ = 0;
  std::uint64_t tasks_made_ = 0;
  std::priority_queue<Task, std::vector<Task>, Later> tasks_;
};

}  // namespace latchkey::simulation
