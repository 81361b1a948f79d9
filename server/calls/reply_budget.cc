#include "server/calls/reply_budget.h"

#include <utility>

namespace latchkey {

bool ReplyBudget::Take(std::size_t bytes) {
  if (!queue_.empty() || !Fits(bytes)) return false;
  in_flight_ += bytes;
  return true;
}

bool ReplyBudget::TryAcquire(std::size_t bytes) {
  {
    MutexLock lock(mutex_);
    if (!Take(bytes)) return false;
  }
  if (whole_ == nullptr || whole_->TryAcquire(bytes)) return true;
  ReleaseHere(bytes);
  return false;
}

void ReplyBudget::Acquire(std::size_t bytes, std::function<void()> send) {
  if (whole_ != nullptr) {
    send = [this, bytes, send = std::move(send)]() mutable {
      whole_->Acquire(bytes, std::move(send));
    };
  }
  {
    MutexLock lock(mutex_);
    if (!Take(bytes)) {
      queue_.push_back({bytes, std::move(send)});
      return;
    }
  }
  send();
}

void ReplyBudget::Release(std::size_t bytes) {
  if (whole_ != nullptr) whole_->Release(bytes);
  ReleaseHere(bytes);
}

void ReplyBudget::ReleaseHere(std::size_t bytes) {
  {
    MutexLock lock(mutex_);
    in_flight_ -= bytes;
    if (sending_) return;
    sending_ = true;
  }
  while (auto send = TakeNext()) send();
}

std::function<void()> ReplyBudget::TakeNext() {
  MutexLock lock(mutex_);
  if (queue_.empty() || !Fits(queue_.front().bytes)) {
    sending_ = false;
    return nullptr;
  }
  in_flight_ += queue_.front().bytes;
  std::function<void()> send = std::move(queue_.front().send);
  queue_.pop_front();
  return send;
}

}  // namespace latchkey
