// A partition and the thread that runs it, behind a bounded queue.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "server/partition/partition.h"

namespace latchkey {

// The partition looks at the clock at least this often, so that a gap shows a stall.
inline constexpr Duration kLookMax = std::chrono::milliseconds(100);

// Submit and Post may be called from any thread.
class PartitionThread {
 public:
  explicit PartitionThread(const PartitionEnvironment& environment);
  // Stops, if that was not done before.
  ~PartitionThread();

  // For adopting records, before Start.
  Partition& partition() { return partition_; }
  const Partition& partition() const { return partition_; }

  void Start();
  // Ends all waits, decides what is queued, and ends the thread.
  void Stop();

  // Instead of Start and Stop, for a simulator that has no threads: begins serving, and then each
  // Step is one round of the thread, without the wait before it.
  void StartStepped() { partition_.BeginServing(); }
  void Step();

  // Why not all of the calls were taken: the queue is full, or Stop was called.
  struct NotTaken {
    std::size_t taken;  // the first so many were
    Refusal refusal;
  };
  // Takes the calls, in this order, each until it is finished.
  [[nodiscard]] std::optional<NotTaken> Submit(std::span<Call* const> calls);
  // Takes work that must not be refused; there is at most one piece for each call.
  void Post(Work work);

  std::size_t queue_length() const;

 private:
  void Run();
  // Waits for work, the next timer, or the next look at the clock; false when it is time to end.
  bool TakeBatch(std::vector<Work>& batch);
  void Take(std::vector<Work>& batch) REQUIRES(mutex_);
  void Decide(std::span<Work> work);

  Partition partition_;
  const Limits& limits_;
  Clock& clock_;
  std::thread thread_;
  // When the queue was last emptied; touched by the thread only.
  MonotonicTime taken_at_;

  mutable Mutex mutex_;
  Condition changed_;
  std::vector<Work> queue_ GUARDED_BY(mutex_);
  std::size_t queued_bytes_ GUARDED_BY(mutex_) = 0;
  bool sleeping_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
};

}  // namespace latchkey
