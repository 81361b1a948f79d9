// Time that stands still until it is told to pass.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "base/mutex.h"
#include "client/src/runtime.h"

namespace latchkey::testing_internal {

// One thread runs what is due. Thread-safe.
class StillRuntime final : public internal::Runtime {
 public:
  explicit StillRuntime(BootClock::time_point now);
  ~StillRuntime() override;

  BootClock::time_point Now() override;
  std::uint64_t Random() override;
  TimerId RunAt(BootClock::time_point when, std::function<void()> task) override;
  void Cancel(TimerId id) override;
  void Wait(internal::Event& event, std::optional<BootClock::time_point> until) override;
  void Stop() override;

  // Lets time pass, each task running at the time that it was made for, and returns when all have
  // run. On the runtime's own thread it returns before.
  void Advance(std::chrono::nanoseconds by);

 private:
  // Shared with the thread, which may outlive this object if its last owner was a task.
  struct State {
    Mutex mutex;
    Condition changed;
    BootClock::time_point now GUARDED_BY(mutex);
    std::map<std::pair<BootClock::time_point, TimerId>, std::function<void()>> tasks
        GUARDED_BY(mutex);
    std::map<TimerId, BootClock::time_point> times GUARDED_BY(mutex);
    TimerId last_id GUARDED_BY(mutex) = 0;
    std::uint64_t random GUARDED_BY(mutex) = 0;
    bool running GUARDED_BY(mutex) = false;
    bool stopped GUARDED_BY(mutex) = false;
    std::thread::id thread GUARDED_BY(mutex);

    bool IsDue() REQUIRES(mutex) { return !tasks.empty() && tasks.begin()->first.first <= now; }
    bool IsIdle() REQUIRES(mutex) { return !running && !IsDue(); }
  };

  static void Run(const std::shared_ptr<State>& state);

  const std::shared_ptr<State> state_;
  std::thread thread_;
};

}  // namespace latchkey::testing_internal
