#include "system_runtime.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "library_thread.h"

namespace latchkey::inline client::internal {
namespace {

// Condition variables do not count suspended time and BootClock does, so no wait for a timer is
// longer.
constexpr std::chrono::seconds kLongestNap(1);

}  // namespace

struct SystemRuntime::Timers {
  // Ordered by time, then by the order of the calls.
  using Place = std::pair<BootClock::time_point, TimerId>;

  Mutex mutex;
  Condition changed;
  bool stopped GUARDED_BY(mutex) = false;
  TimerId last_id GUARDED_BY(mutex) = 0;
  std::map<Place, std::function<void()>> tasks GUARDED_BY(mutex);
  std::unordered_map<TimerId, BootClock::time_point> times GUARDED_BY(mutex);

  // Waits for the next task that is due; none once stopped.
  std::function<void()> Next() {
    MutexLock lock(mutex);
    while (!stopped) {
      if (tasks.empty()) {
        changed.Wait(mutex);
        continue;
      }
      const auto first = tasks.begin();
      const auto left = first->first.first - BootClock::now();
      if (left > std::chrono::nanoseconds(0)) {
        changed.WaitFor(mutex, std::min<std::chrono::nanoseconds>(left, kLongestNap));
        continue;
      }
      std::function<void()> task = std::move(first->second);
      times.erase(first->first.second);
      tasks.erase(first);
      return task;
    }
    return nullptr;
  }

  void Run() {
    const LibraryThread mark;  // For the tasks' destruction, too.
    while (const std::function<void()> task = Next()) {
      try {
        task();
      } catch (...) {
        // Out of memory, at worst. The lease that wanted renewing is lost at its safe_until.
      }
    }
  }
};

SystemRuntime::SystemRuntime()
    : timers_(std::make_shared<Timers>()), thread_([timers = timers_] { timers->Run(); }) {}

SystemRuntime::~SystemRuntime() { Stop(); }

std::uint64_t SystemRuntime::Random() {
  std::uint64_t bits = 0;
  if (getentropy(&bits, sizeof(bits)) != 0) std::terminate();  // No Linux that runs us does that.
  return bits;
}

Runtime::TimerId SystemRuntime::RunAt(BootClock::time_point when, std::function<void()> task) {
  MutexLock lock(timers_->mutex);
  const TimerId id = ++timers_->last_id;
  if (timers_->stopped) return id;
  const auto place = timers_->tasks.emplace(Timers::Place(when, id), std::move(task)).first;
  timers_->times.emplace(id, when);
  if (place == timers_->tasks.begin()) timers_->changed.NotifyOne();
  return id;
}

void SystemRuntime::Cancel(TimerId id) {
  std::function<void()> task;  // Destroyed after the lock: it may own what comes back here.
  MutexLock lock(timers_->mutex);
  const auto time = timers_->times.find(id);
  if (time == timers_->times.end()) return;
  const auto place = timers_->tasks.find(Timers::Place(time->second, id));
  task = std::move(place->second);
  timers_->tasks.erase(place);
  timers_->times.erase(time);
}

void SystemRuntime::Wait(Event& event, std::optional<BootClock::time_point> until) {
  if (!until) return event.Wait();
  while (!event.IsSet()) {
    const auto left = *until - Now();
    if (left <= std::chrono::nanoseconds(0)) return;
    event.WaitFor(std::min<std::chrono::nanoseconds>(left, kLongestNap));
  }
}

void SystemRuntime::Stop() {
  std::map<Timers::Place, std::function<void()>> dropped;
  {
    MutexLock lock(timers_->mutex);
    timers_->stopped = true;
    dropped.swap(timers_->tasks);
    timers_->times.clear();
    timers_->changed.NotifyAll();
  }
  dropped.clear();
  std::thread thread;
  {
    // Not held while joining: a task may call this, too.
    MutexLock lock(thread_mutex_);
    thread.swap(thread_);
  }
  if (!thread.joinable()) return;
  if (thread.get_id() == std::this_thread::get_id()) {
    thread.detach();
  } else {
    thread.join();
  }
}

}  // namespace latchkey::inline client::internal
