// Systems measured in turns, so that what disturbs the machine disturbs all of them.
#pragma once

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/load_generator/benches.h"
#include "tools/load_generator/measurement.h"
#include "tools/load_generator/system.h"

namespace latchkey::bench {

// Whose turn it is, of `count`: from first to last in the repetitions 1, 3, ..., and back in the
// others.
std::size_t InTurn(std::size_t turn, std::size_t count, int repetition);

// Every repetition starts each system anew and measures it at each concurrency; every second one
// goes through the systems backwards, so that a machine that slows down favours none. A row for
// each system and concurrency, in the order of `systems`.
absl::StatusOr<std::vector<Row>> MeasureInTurns(const BenchOptions& options, const char* bench,
                                                const std::vector<System>& systems,
                                                const std::vector<int>& concurrencies);

}  // namespace latchkey::bench
