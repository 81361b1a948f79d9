// What has to be done now and then, whatever callers do: look at the clocks and at the free space,
// and write down what may be forgotten.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <thread>

#include "base/mutex.h"
#include "server/partition/fail_stop.h"
#include "server/partition/partition.h"
#include "server/retention/retention.h"
#include "storage/record_store.h"

namespace latchkey {

class Housekeeper {
 public:
  // Looks at the free space at once.
  Housekeeper(storage::RecordStore& store, Retention& retention, FailStop& fail_stop,
              PartitionObserver& observer, std::optional<std::uint64_t> storage_reserve_bytes);
  ~Housekeeper();

  // Starts the thread, which calls `each_round`, too.
  void Start(std::function<void()> each_round);
  void Stop();

  // What the thread does once a second. For a simulator, which calls it instead of Start.
  void Round();

  // The disk is nearly full: new records are refused.
  std::atomic<bool>& storage_full() { return storage_full_; }
  // The free space at the last look; 0 where the store has no file system.
  std::uint64_t free_bytes() const { return free_bytes_.load(); }
  std::uint64_t reserve_bytes() const { return reserve_bytes_.load(); }

 private:
  void Run(const std::function<void()>& each_round);
  void LookAtSpace();
  void TripIfFailed(const absl::Status& answer);
  bool SleepUntilNextRound();

  storage::RecordStore& store_;
  Retention& retention_;
  FailStop& fail_stop_;
  PartitionObserver& observer_;
  const std::optional<std::uint64_t> configured_reserve_;
  Room room_ = Room::kPlenty;  // at the last look
  std::atomic<bool> storage_full_ = false;
  std::atomic<std::uint64_t> free_bytes_ = 0;
  std::atomic<std::uint64_t> reserve_bytes_ = 0;

  Mutex mutex_;
  Condition changed_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  int rounds_ = 0;  // of whoever calls Round
  std::thread thread_;
};

}  // namespace latchkey
