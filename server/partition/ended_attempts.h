// The attempts that ended a moment ago, so that a late duplicate of one is refused and not granted
// to nobody (rule 5).
#pragma once

#include <cstddef>
#include <deque>
#include <list>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "base/time.h"

namespace latchkey {

// Ended ones are kept for `memory`, and of either kind at most `attempts_max`: the oldest goes
// first. Not thread-safe.
class EndedAttempts {
 public:
  EndedAttempts(Duration memory, std::size_t attempts_max);

  // The key was freed without the word of this attempt, which is not over yet.
  void AddFormer(std::string_view store_key, std::string_view attempt_id);
  // The key is granted to this attempt, which supersedes a former one.
  void Supersede(std::string_view store_key, std::string_view attempt_id, MonotonicTime now);

  void Add(std::string_view store_key, std::string_view attempt_id, MonotonicTime now);
  bool Contains(std::string_view store_key, std::string_view attempt_id, MonotonicTime now) const;

 private:
  struct Ended {
    MonotonicTime until;
    std::string name;
  };
  struct Former {
    std::string store_key;
    std::string attempt_id;
  };

  const Duration memory_;
  const std::size_t attempts_max_;
  std::deque<Ended> oldest_first_;
  absl::flat_hash_map<std::string, MonotonicTime> until_;
  std::list<Former> former_oldest_first_;
  // By store key; the views point into the list.
  absl::flat_hash_map<std::string_view, std::list<Former>::iterator> former_;
};

}  // namespace latchkey
