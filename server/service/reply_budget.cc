#include "server/service/reply_budget.h"

#include <utility>
#include <vector>

namespace latchkey {

void ReplyBudget::Acquire(std::size_t bytes, std::function<void()> send) {
  {
    MutexLock lock(mutex_);
    if (!queue_.empty() || !Fits(bytes)) {
      queue_.push_back({bytes, std::move(send)});
      return;
    }
    in_flight_ += bytes;
  }
  send();
}

void ReplyBudget::Release(std::size_t bytes) {
  std::vector<std::function<void()>> next;
  {
    MutexLock lock(mutex_);
    in_flight_ -= bytes;
    while (!queue_.empty() && Fits(queue_.front().bytes)) {
      in_flight_ += queue_.front().bytes;
      next.push_back(std::move(queue_.front().send));
      queue_.pop_front();
    }
  }
  for (auto& send : next) send();
}

}  // namespace latchkey
