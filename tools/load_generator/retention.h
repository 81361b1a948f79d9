// A server whose records expire as fast as they come.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/load_generator/benches.h"
#include "tools/load_generator/latchkey_flows.h"
#include "tools/load_generator/measurement.h"

namespace latchkey::bench {

struct Retained {
  // Of the stretches into which the time was divided, in order: the flows, and what the store took
  // on the disk at the end of each.
  std::vector<Measurement> stretches;
  std::vector<double> disk_bytes;
  // How long a record is kept, in seconds of ours.
  double kept_seconds = 0;
};

// Flows for `options.retention`. A record is kept for 25 hours at least, so the server's wall
// clock, and nothing else of it, runs 3,000 times as fast (by libfaketime): records are due after
// 30 s, and RocksDB's weekly compaction after 200.
absl::StatusOr<Retained> MeasureRetention(const BenchOptions& options, Transport transport);

}  // namespace latchkey::bench
