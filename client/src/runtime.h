// What the client takes from the machine besides the network: time, timers, randomness, and
// blocking. All of it comes through one object, so that a test or simulator can run the shipped
// classes in virtual time.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "base/mutex.h"
#include "latchkey/boot_clock.h"

namespace latchkey::inline client::internal {

// Set once, by any thread. Whoever sets and whoever waits share its ownership.
class Event {
 public:
  void Set() {
    MutexLock lock(mutex_);
    set_ = true;
    condition_.NotifyAll();
  }
  bool IsSet() {
    MutexLock lock(mutex_);
    return set_;
  }
  void Wait() {
    MutexLock lock(mutex_);
    while (!set_) condition_.Wait(mutex_);
  }
  // Returns after `timeout` or, possibly, earlier; look at IsSet.
  void WaitFor(std::chrono::nanoseconds timeout) {
    MutexLock lock(mutex_);
    if (!set_) condition_.WaitFor(mutex_, timeout);
  }

 private:
  Mutex mutex_;
  Condition condition_;
  bool set_ GUARDED_BY(mutex_) = false;
};

// Thread-safe.
class Runtime {
 public:
  using TimerId = std::uint64_t;

  virtual ~Runtime() = default;

  virtual BootClock::time_point Now() = 0;
  // 64 bits that nobody can guess.
  virtual std::uint64_t Random() = 0;

  // Runs `task` once `when` has come, on the runtime's one thread: it must neither block nor throw.
  // Tasks run in order of `when`, equal ones in order of the call. After Stop nothing is run any
  // more, and the task is destroyed.
  virtual TimerId RunAt(BootClock::time_point when, std::function<void()> task) = 0;
  // The task is not started any more; it may be running.
  virtual void Cancel(TimerId id) = 0;

  // Blocks the caller until the event is set or, where given, until `until`.
  virtual void Wait(Event& event, std::optional<BootClock::time_point> until) = 0;

  // Drops all tasks, and returns when none is running, unless called from one. Repeatable.
  virtual void Stop() = 0;
};

}  // namespace latchkey::inline client::internal
