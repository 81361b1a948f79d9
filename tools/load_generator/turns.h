// Systems measured in turns, so that what disturbs the machine disturbs all of them.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "tools/load_generator/benches.h"
#include "tools/load_generator/measurement.h"
#include "tools/load_generator/system.h"

namespace latchkey::bench {

// Every repetition starts each system anew and measures it at each concurrency, in that order. A
// row for each system and concurrency, as in `systems`.
absl::StatusOr<std::vector<Row>> MeasureInTurns(const BenchOptions& options, const char* bench,
                                                const std::vector<System>& systems,
                                                const std::vector<int>& concurrencies);

}  // namespace latchkey::bench
