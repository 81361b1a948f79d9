// Virtual time: nothing passes but what a test lets pass, and a blocking call runs what is due
// meanwhile.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include "client/src/runtime.h"

namespace latchkey::inline client::internal {

// For one thread.
class FakeRuntime final : public Runtime {
 public:
  BootClock::time_point Now() override { return now_; }

  // By default everything pauses as long as it may.
  std::uint64_t Random() override { return random_ ? random_() : ++counter_ * 0x9E3779B97F4A7C15; }
  void set_random(std::function<std::uint64_t()> random) { random_ = std::move(random); }

  TimerId RunAt(BootClock::time_point when, std::function<void()> task) override {
    const TimerId id = ++last_id_;
    if (stopped_) return id;
    tasks_.emplace(std::pair(when, id), std::move(task));
    times_.emplace(id, when);
    return id;
  }

  void Cancel(TimerId id) override {
    const auto time = times_.extract(id);
    if (time) tasks_.extract(std::pair(time.mapped(), id));
  }

  void Wait(Event& event, std::optional<BootClock::time_point> until) override {
    while (!event.IsSet()) {
      if (!until && tasks_.empty()) throw std::logic_error("this call would block for ever");
      if (!RunNext(until)) return;
    }
  }

  void Stop() override {
    stopped_ = true;
    times_.clear();
    // What is destroyed may call back, and that may come back here.
    std::exchange(tasks_, {}).clear();
  }

  // Lets time pass, and runs what falls due.
  void Advance(std::chrono::nanoseconds by) {
    const auto until = now_ + by;
    while (RunNext(until)) {
    }
  }
  // Lets time pass as if everything, timers included, had been frozen.
  void Freeze(std::chrono::nanoseconds by) { now_ += by; }

  bool stopped() const { return stopped_; }
  std::size_t pending() const { return tasks_.size(); }

 private:
  // False when nothing is due up to `until`, and it is `until` then.
  bool RunNext(std::optional<BootClock::time_point> until) {
    if (tasks_.empty() || (until && tasks_.begin()->first.first > *until)) {
      now_ = std::max(now_, *until);
      return false;
    }
    now_ = std::max(now_, tasks_.begin()->first.first);
    auto task = std::move(tasks_.begin()->second);
    times_.erase(tasks_.begin()->first.second);
    tasks_.erase(tasks_.begin());
    task();
    return true;
  }

  BootClock::time_point now_{std::chrono::hours(1)};
  std::uint64_t counter_ = 0;
  std::function<std::uint64_t()> random_;
  bool stopped_ = false;
  TimerId last_id_ = 0;
  std::map<std::pair<BootClock::time_point, TimerId>, std::function<void()>> tasks_;
  std::unordered_map<TimerId, BootClock::time_point> times_;
};

}  // namespace latchkey::inline client::internal
