// What a run came to.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/time.h"

namespace latchkey::simulation {

// How often things happened, by name.
using Counts = std::map<std::string, std::uint64_t>;

struct RunReport {
  std::uint64_t seed = 0;
  // "L1 what happened"; empty: every promise was kept.
  std::string violation;
  // Of everything that happened.
  std::uint64_t hash = 0;
  std::uint64_t steps = 0;
  Duration simulated = Duration::zero();
  Counts counts;
  // With a violation: the faults of the run, and its last events.
  std::string story;
};

}  // namespace latchkey::simulation
