// A process on a machine of its own: it may be down, be paused, and its clock runs its own way.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>

#include "base/time.h"
#include "tools/simulation/scheduler.h"

namespace latchkey::simulation {

// A clock that starts anywhere and runs a little fast or slow, always by the same share.
class DriftingClock {
 public:
  DriftingClock(Duration at_zero, int drift_ppm) : at_zero_(at_zero), drift_ppm_(drift_ppm) {}

  Duration At(Duration time) const { return at_zero_ + time + Drift(time); }
  // The first moment at which it shows `shown`, or more.
  Duration WhenShows(Duration shown) const;
  // How much time passes while it advances by `shown`; rounded down.
  Duration Span(Duration shown) const;

 private:
  Duration Drift(Duration time) const;

  Duration at_zero_;
  int drift_ppm_;
};

class Host {
 public:
  Host(Scheduler& scheduler, std::string name) : scheduler_(scheduler), name_(std::move(name)) {}
  virtual ~Host() = default;
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  const std::string& name() const { return name_; }
  Scheduler& scheduler() const { return scheduler_; }
  bool up() const { return up_; }
  // Of its process; what was meant for an earlier life is lost.
  std::uint64_t life() const { return life_; }
  bool paused() const { return scheduler_.now() < paused_until_; }
  Duration paused_until() const { return paused_until_; }

  // Runs the task on this host at `when`: later if it is paused then, in order; never if its
  // process has ended before.
  void RunAt(Duration when, std::function<void()> task);
  void RunAfter(Duration delay, std::function<void()> task) {
    RunAt(scheduler_.now() + delay, std::move(task));
  }

  void PauseFor(Duration time);

 protected:
  void BeginLife() {
    up_ = true;
    ++life_;
  }
  void EndLife() {
    up_ = false;
    ++life_;
    held_back_.clear();
    paused_until_ = Duration::zero();
  }
  // Around each of its tasks.
  virtual void Enter(const std::function<void()>& task) { task(); }

 private:
  void Resume();

  Scheduler& scheduler_;
  const std::string name_;
  bool up_ = false;
  std::uint64_t life_ = 0;
  Duration paused_until_ = Duration::zero();
  // What came during a pause.
  std::deque<std::function<void()>> held_back_;
};

}  // namespace latchkey::simulation
