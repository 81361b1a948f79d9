// Runs many seeds, and adds up what they came to.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/time.h"
#include "tools/simulation/report.h"

namespace latchkey::simulation {

struct RunnerOptions {
  std::uint64_t first_seed = 1;
  std::uint64_t seeds = 1000;
  int jobs = 1;
  // Begin no seed after so long; zero: no bound.
  Duration bound = Duration::zero();
  bool verbose = false;
  // Told now and then, and at the end, how many seeds are done. On any thread, one at a time.
  std::function<void(std::uint64_t done)> on_progress;
};

struct RunnerReport {
  std::uint64_t seeds = 0;
  std::uint64_t steps = 0;
  Duration simulated = Duration::zero();
  Counts counts;
  // Those with a violation, in order of their seeds.
  std::vector<RunReport> failed;
};

// The seed that this thread runs, or ran last; for whoever has to say why the process ends.
std::uint64_t CurrentSeed();

RunReport RunSeed(std::uint64_t seed, bool verbose);
RunnerReport RunSeeds(const RunnerOptions& options);

}  // namespace latchkey::simulation
