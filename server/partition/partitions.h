// All partitions of a server. A key belongs to the one that it hashes to.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "server/partition/live_census.h"
#include "server/partition/partition_thread.h"

namespace latchkey {

class Partitions {
 public:
  // `environment.waiters` is set by this.
  Partitions(PartitionEnvironment environment, std::size_t count);

  // Reads the live records and starts serving: how long it takes does not depend on how many are
  // completed.
  absl::Status Start();
  // The same without threads, for a simulator: it calls Step for each partition, at least every
  // 100 ms, and never from within another call to the same one. Stop is not called.
  absl::Status StartStepped();
  void Step(std::size_t place) { threads_[place]->Step(); }
  const PartitionThread& partition_thread(std::size_t place) const { return *threads_[place]; }

  // Takes the call until it is finished; one that cannot be queued is refused at once: OVERLOADED,
  // or after Stop SHUTTING_DOWN.
  void Submit(Call& call);
  // The same for many, which keep their order on each key.
  void Submit(std::span<Call* const> calls);
  // The caller of a call that may be waiting is gone: it leaves the queue.
  void Cancel(const std::string& store_key, const Call* call, std::uint64_t serial);
  // The reply with this grant was dropped: it is taken back, if nobody else was told of it.
  void TakeBack(UnsentGrant unsent);

  // The doubt of a restore has been ended: whoever waits for an absent key may have it.
  void ServeAbsentKeys();

  // Ends all waits with SHUTTING_DOWN and lets no new ones begin; other calls are still decided.
  void EndAllWaits();
  // Decides what is queued and ends the threads.
  void Stop();

  std::size_t count() const { return threads_.size(); }
  std::size_t waiters() const { return waiters_.load(); }
  // Of each partition: how much it has been given and has not begun.
  std::vector<std::size_t> queue_lengths() const;

 private:
  // Hands the live records to their partitions.
  absl::Status Adopt();
  // Hands on what a shared store tells.
  void Tell(storage::LiveChanges told);
  std::size_t PlaceOf(std::string_view store_key) const;
  PartitionThread& For(std::string_view store_key) { return *threads_[PlaceOf(store_key)]; }

  PartitionEnvironment environment_;
  std::atomic<std::size_t> waiters_ = 0;
  std::vector<std::unique_ptr<PartitionThread>> threads_;
  LiveCensus census_;
  bool listing_ = false;  // all that is live is being told
  // Of a shared store; it tells the threads.
  std::unique_ptr<storage::LiveWatch> watch_;
};

}  // namespace latchkey
