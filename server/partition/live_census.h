// Counts the live records of a shared store, whoever made them, from what the store tells.
#pragma once

#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "server/partition/live_counts.h"
#include "server/partition/meter.h"
#include "storage/record_store.h"

namespace latchkey {

// Not thread-safe: whoever tells makes one call at a time.
class LiveCensus {
 public:
  // Both outlive it.
  LiveCensus(LiveCounts& counts, Meter& meter) : counts_(counts), meter_(meter) {}

  void Hear(const storage::LiveChanges& told);

 private:
  struct Seen {
    bool held = false;
    std::int64_t doubt_since_nanos = 0;  // not held: since when it is in doubt
    std::uint64_t list = 0;              // the last list of everything that named it
  };

  void Count(const std::string& store_key, const Seen& seen, int by);
  void Forget(const std::string& store_key);

  LiveCounts& counts_;
  Meter& meter_;
  absl::flat_hash_map<std::string, Seen> seen_;
  std::uint64_t list_ = 0;
  bool listing_ = false;
};

}  // namespace latchkey
