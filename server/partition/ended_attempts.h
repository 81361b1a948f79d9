// The attempts that ended a moment ago, so that a late duplicate of one is refused and not granted
// to nobody (rule 5).
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "base/time.h"

namespace latchkey {

// Bounded in time and number: the oldest goes first. Not thread-safe.
class EndedAttempts {
 public:
  EndedAttempts(Duration memory, std::size_t attempts_max);

  void Add(std::string_view store_key, std::string_view attempt_id, MonotonicTime now);
  bool Contains(std::string_view store_key, std::string_view attempt_id, MonotonicTime now) const;

 private:
  struct Ended {
    MonotonicTime until;
    std::string name;
  };

  const Duration memory_;
  const std::size_t attempts_max_;
  std::deque<Ended> oldest_first_;
  absl::flat_hash_map<std::string, MonotonicTime> until_;
};

}  // namespace latchkey
