// Since when keys have been in doubt, by namespace label: enough to say how old the oldest is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/mutex.h"
#include "base/time.h"

namespace latchkey {

// Thread-safe. Counts keys by the second, so its memory grows with the seconds in which a key came
// into doubt that is so still, and not with the keys.
class DoubtAges {
 public:
  explicit DoubtAges(std::size_t labels) : since_(labels) {}

  void Add(std::size_t label, std::int64_t since_nanos);
  // One that was added.
  void Remove(std::size_t label, std::int64_t since_nanos);
  // How long the oldest key has been in doubt, to within a second; empty: none is.
  std::optional<Duration> OldestAge(std::size_t label, WallTime now) const;

 private:
  mutable Mutex mutex_;
  // For each label, by second: how many keys.
  std::vector<std::map<std::int64_t, std::uint64_t>> since_ GUARDED_BY(mutex_);
};

}  // namespace latchkey
