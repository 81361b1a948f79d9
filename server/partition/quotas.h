// What the namespaces use of their quotas, but for live records: see live_counts.h. The most that
// they may use comes with each question, so that settings can change at any time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "base/time.h"

namespace latchkey {

// Thread-safe. Remembers only namespaces that use something, so that made-up names cost nothing.
class Quotas {
 public:
  using Bytes = std::map<std::string, std::uint64_t, std::less<>>;

  // New keys, so many a second: a bucket that fills in one second and holds that second's keys.
  // Answers how long until the next may begin; nothing if it may now.
  std::optional<Duration> UntilNextKey(std::string_view name_space, std::uint64_t per_second,
                                       MonotonicTime now) const;
  // One has begun. Two threads may both have been told that they may; the bucket then owes one.
  void CountKey(std::string_view name_space, std::uint64_t per_second, MonotonicTime now);

  // A call begins to wait, if there are fewer than `waiters_max`; 0: in any case.
  [[nodiscard]] bool AddWaiter(std::string_view name_space, std::uint64_t waiters_max);
  void RemoveWaiters(std::string_view name_space, std::size_t count = 1);
  std::uint64_t Waiters(std::string_view name_space) const;

  // As last measured; 0 where nobody did.
  void SetStoredBytes(Bytes bytes);
  std::uint64_t StoredBytes(std::string_view name_space) const;

 private:
  void DropFullBuckets(MonotonicTime now) REQUIRES(mutex_);

  mutable Mutex mutex_;
  // When the bucket of a namespace is full again.
  std::map<std::string, MonotonicTime, std::less<>> full_at_ GUARDED_BY(mutex_);
  std::size_t buckets_max_ GUARDED_BY(mutex_) = 1'024;
  std::map<std::string, std::uint64_t, std::less<>> waiters_ GUARDED_BY(mutex_);
  Bytes stored_bytes_ GUARDED_BY(mutex_);
};

}  // namespace latchkey
