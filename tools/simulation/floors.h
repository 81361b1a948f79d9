// What a run of many seeds must have exercised: a promise that nothing put to the test was not
// judged.
#pragma once

#include <string>
#include <vector>

#include "tools/simulation/runner.h"

namespace latchkey::simulation {

// Each in words; none if everything was.
std::vector<std::string> MissedFloors(const RunnerReport& report);

// What the last line shows.
const std::vector<std::string>& ShownCounts();

}  // namespace latchkey::simulation
