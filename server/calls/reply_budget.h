// Bounds the bytes of replies that are being written at one time: one result may have a hundred
// thousand readers, and must not be copied for all of them at once.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>

#include "base/mutex.h"

namespace latchkey {

// Replies up to this size are not counted; those in flight are as many as calls are.
inline constexpr std::size_t kSmallReplyBytes = 512;

// Thread-safe.
class ReplyBudget {
 public:
  // Part of `whole`, if there is one: what is taken here is taken there, too, and somebody who has
  // much to be sent queues behind himself and not before everybody else. `whole` outlives it.
  explicit ReplyBudget(std::size_t bytes_max, ReplyBudget* whole = nullptr)
      : bytes_max_(bytes_max), whole_(whole) {}

  // Takes the bytes, if they fit and nobody queues for them.
  [[nodiscard]] bool TryAcquire(std::size_t bytes);
  // Takes the bytes and runs `send` as soon as they fit, at once or later on a thread that frees
  // some. A reply that is larger than the whole budget is sent when nothing else is.
  void Acquire(std::size_t bytes, std::function<void()> send);
  // The reply is written.
  void Release(std::size_t bytes);

 private:
  struct Queued {
    std::size_t bytes;
    std::function<void()> send;
  };
  bool Take(std::size_t bytes) REQUIRES(mutex_);
  void ReleaseHere(std::size_t bytes);
  // What is to be sent next; null if nothing is, or it does not fit yet.
  std::function<void()> TakeNext();
  bool Fits(std::size_t bytes) const REQUIRES(mutex_) {
    return in_flight_ == 0 || in_flight_ + bytes <= bytes_max_;
  }

  const std::size_t bytes_max_;
  ReplyBudget* const whole_;
  Mutex mutex_;
  std::size_t in_flight_ GUARDED_BY(mutex_) = 0;
  std::deque<Queued> queue_ GUARDED_BY(mutex_);
  // A thread is sending what fits. A reply that is dropped is released at once, from within: the
  // thread then goes on by itself, and not one call deeper for each.
  bool sending_ GUARDED_BY(mutex_) = false;
};

}  // namespace latchkey
