// What the disk alone takes.
#pragma once

#include "absl/status/statusor.h"
#include "tools/load_generator/benches.h"
#include "tools/load_generator/measurement.h"

namespace latchkey::bench {

// About the size of a record in the server's log.
inline constexpr int kAppendBytes = 300;

// Appends of kAppendBytes to a file, each synced, one after the other.
absl::StatusOr<Measurement> MeasureSyncedAppends(const BenchOptions& options);

}  // namespace latchkey::bench
