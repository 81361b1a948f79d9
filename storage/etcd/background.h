// A thread that does something now and then, until it is let go.
#pragma once

#include <functional>
#include <thread>

#include "base/clock.h"
#include "base/mutex.h"

namespace latchkey::storage {

// To be the last member of whatever it works on, so that it ends first.
class Background {
 public:
  Background() = default;
  // Waits until what is being done is done.
  ~Background();

  // Does `task` after `pause`, and again and again after what it answers. Called at most once.
  void Start(Duration pause, std::function<Duration()> task);

 private:
  void Run(Duration pause, const std::function<Duration()>& task);

  Mutex mutex_;
  Condition changed_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace latchkey::storage
