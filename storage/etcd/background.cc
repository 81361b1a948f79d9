#include "storage/etcd/background.h"

#include <utility>

namespace latchkey::storage {

Background::~Background() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

void Background::Start(Duration pause, std::function<Duration()> task) {
  thread_ = std::thread([this, pause, task = std::move(task)] { Run(pause, task); });
}

void Background::Run(Duration pause, const std::function<Duration()>& task) {
  while (true) {
    {
      MutexLock lock(mutex_);
      if (!stopping_) changed_.WaitFor(mutex_, pause);
      if (stopping_) return;
    }
    pause = task();
  }
}

}  // namespace latchkey::storage
