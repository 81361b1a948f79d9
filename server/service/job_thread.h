// Runs what blocks, one job after another, on a thread of its own: gRPC's threads never wait.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>

#include "base/mutex.h"

namespace latchkey {

// Thread-safe.
class JobThread {
 public:
  // Called exactly once. `stopping`: the server is going down, so it should only say so.
  using Job = std::function<void(bool stopping)>;

  explicit JobThread(std::size_t jobs_max);
  // Stops, if that was not done before.
  ~JobThread();

  // False: too many jobs wait, or it has stopped; the job is dropped.
  [[nodiscard]] bool Post(Job job);

  // Waits for the job at hand, calls what is queued with `stopping`, and ends the thread.
  void Stop();

 private:
  void Run();

  const std::size_t jobs_max_;
  Mutex mutex_;
  Condition changed_;
  std::deque<Job> jobs_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace latchkey
