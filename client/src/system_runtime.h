// The machine's own time, randomness and threads.
#pragma once

#include <memory>
#include <thread>

#include "runtime.h"

namespace latchkey::inline client::internal {

// One thread for all timers.
class SystemRuntime final : public Runtime {
 public:
  SystemRuntime();
  ~SystemRuntime() override;

  BootClock::time_point Now() override { return BootClock::now(); }
  std::uint64_t Random() override;
  TimerId RunAt(BootClock::time_point when, std::function<void()> task) override;
  void Cancel(TimerId id) override;
  void Wait(Event& event, std::optional<BootClock::time_point> until) override;
  void Stop() override;

 private:
  struct Timers;

  // Shared with the thread, which may outlive this object if its last owner was a task.
  const std::shared_ptr<Timers> timers_;
  Mutex thread_mutex_;
  std::thread thread_ GUARDED_BY(thread_mutex_);
};

}  // namespace latchkey::inline client::internal
