#include "tools/simulation/scheduler.h"

#include <algorithm>
#include <utility>

namespace latchkey::simulation {

void Scheduler::At(Duration when, std::function<void()> task) {
  tasks_.push({std::max(when, now_), random_.Next(), ++tasks_made_, std::move(task)});
}

void Scheduler::Clear() {
  // What is destroyed may add more.
  while (!tasks_.empty()) tasks_.pop();
}

bool Scheduler::RunNext(Duration until) {
  if (tasks_.empty() || tasks_.top().when > until) {
    now_ = std::max(now_, until);
    return false;
  }
  // Not moved by priority_queue's own interface; it is popped at once.
  Task& top = const_cast<Task&>(tasks_.top());
  const auto run = std::move(top.run);
  now_ = std::max(now_, top.when);
  tasks_.pop();
  ++steps_;
  run();
  return true;
}

}  // namespace latchkey::simulation
