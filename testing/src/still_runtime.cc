#include "testing/src/still_runtime.h"

#include <algorithm>

namespace latchkey::testing_internal {

StillRuntime::StillRuntime(BootClock::time_point now) : state_(std::make_shared<State>()) {
  MutexLock lock(state_->mutex);
  state_->now = now;
  thread_ = std::thread([state = state_] { Run(state); });
  state_->thread = thread_.get_id();
}

StillRuntime::~StillRuntime() {
  StillRuntime::Stop();
  if (thread_.get_id() == std::this_thread::get_id()) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

BootClock::time_point StillRuntime::Now() {
  MutexLock lock(state_->mutex);
  return state_->now;
}

std::uint64_t StillRuntime::Random() {
  MutexLock lock(state_->mutex);
  return ++state_->random * 0x9E3779B97F4A7C15;
}

internal::Runtime::TimerId StillRuntime::RunAt(BootClock::time_point when,
                                               std::function<void()> task) {
  MutexLock lock(state_->mutex);
  const TimerId id = ++state_->last_id;
  if (state_->stopped) return id;
  state_->tasks.emplace(std::pair(when, id), std::move(task));
  state_->times.emplace(id, when);
  state_->changed.NotifyAll();
  return id;
}

void StillRuntime::Cancel(TimerId id) {
  std::function<void()> task;  // Destroyed without the mutex: what it holds may come back here.
  MutexLock lock(state_->mutex);
  const auto time = state_->times.extract(id);
  if (!time) return;
  const auto found = state_->tasks.find(std::pair(time.mapped(), id));
  task = std::move(found->second);
  state_->tasks.erase(found);
  state_->changed.NotifyAll();  // it may have been the one that was due
}

void StillRuntime::Wait(internal::Event& event, std::optional<BootClock::time_point> until) {
  if (!until) return event.Wait();
  while (!event.IsSet() && Now() < *until) event.WaitFor(std::chrono::milliseconds(10));
}

void StillRuntime::Stop() {
  decltype(state_->tasks) dropped;
  MutexLock lock(state_->mutex);
  state_->stopped = true;
  state_->times.clear();
  dropped.swap(state_->tasks);
  state_->changed.NotifyAll();
  if (state_->thread == std::this_thread::get_id()) return;
  while (state_->running) state_->changed.Wait(state_->mutex);
}

void StillRuntime::Advance(std::chrono::nanoseconds by) {
  MutexLock lock(state_->mutex);
  const BootClock::time_point until = state_->now + by;
  const bool own_thread = state_->thread == std::this_thread::get_id();
  while (true) {
    while (!own_thread && !state_->stopped && !state_->IsIdle()) {
      state_->changed.Wait(state_->mutex);
    }
    if (own_thread || state_->tasks.empty() || state_->tasks.begin()->first.first > until) break;
    state_->now = std::max(state_->now, state_->tasks.begin()->first.first);
    state_->changed.NotifyAll();
  }
  state_->now = std::max(state_->now, until);
  state_->changed.NotifyAll();
}

void StillRuntime::Run(const std::shared_ptr<State>& state) {
  while (true) {
    std::function<void()> task;
    {
      MutexLock lock(state->mutex);
      state->running = false;
      state->changed.NotifyAll();
      while (!state->stopped && !state->IsDue()) state->changed.Wait(state->mutex);
      if (state->stopped) return;
      auto first = state->tasks.extract(state->tasks.begin());
      state->times.erase(first.key().second);
      task = std::move(first.mapped());
      state->running = true;
    }
    task();
  }
}

}  // namespace latchkey::testing_internal
