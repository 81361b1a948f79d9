// A std::mutex that clang's thread safety analysis understands. Abseil's Mutex as Debian builds it
// reports false races under ThreadSanitizer, so it is not used here.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define LATCHKEY_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define LATCHKEY_THREAD_ATTRIBUTE(x)
#endif

// On data: only touched with the named mutex held. Abseil's headers define it too, with the same
// meaning.
#undef GUARDED_BY
#define GUARDED_BY(mutex) LATCHKEY_THREAD_ATTRIBUTE(guarded_by(mutex))
// On functions: called with the named mutex held.
#define REQUIRES(...) LATCHKEY_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))

namespace latchkey {

class LATCHKEY_THREAD_ATTRIBUTE(capability("mutex")) Mutex {
 public:
  void Lock() LATCHKEY_THREAD_ATTRIBUTE(acquire_capability()) { mutex_.lock(); }
  void Unlock() LATCHKEY_THREAD_ATTRIBUTE(release_capability()) { mutex_.unlock(); }

 private:
  friend class Condition;
  std::mutex mutex_;
};

// Holds a Mutex for as long as it lives.
class LATCHKEY_THREAD_ATTRIBUTE(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) LATCHKEY_THREAD_ATTRIBUTE(acquire_capability(mutex))
      : mutex_(mutex) {
    mutex_.Lock();
  }
  ~MutexLock() LATCHKEY_THREAD_ATTRIBUTE(release_capability()) { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// A condition variable for a Mutex. Wakes may be spurious: wait in a loop.
class Condition {
 public:
  void Wait(Mutex& mutex) REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  // Returns after a wake or when the time is over, whichever is first.
  void WaitFor(Mutex& mutex, std::chrono::nanoseconds timeout) REQUIRES(mutex) {
    std::unique_lock lock(mutex.mutex_, std::adopt_lock);
    condition_.wait_until(lock, std::chrono::steady_clock::now() + timeout);
    lock.release();
  }
  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace latchkey
