// How a server stands at a moment, for metrics.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/time.h"
#include "server/partition/live_counts.h"

namespace latchkey {

struct Gauges {
  std::size_t waiters = 0;
  std::vector<std::size_t> queue_lengths;  // of each partition
  std::size_t sessions = 0;
  std::uint64_t fencing_token = 0;  // the highest that was given
  // By namespace; of those that have any.
  std::map<std::string, LiveCounts::Counts> live;
  // Completed records that retention has let the store reclaim, since the start.
  std::uint64_t expired_records = 0;
  WallTime retention_clock;
};

}  // namespace latchkey
