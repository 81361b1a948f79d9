// Programs that do one thing and end.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/process/child_process.h"

namespace latchkey::bench {

// Waits for its end, however long it takes; the lines of its stdout. UNAVAILABLE, with the last
// line of its log, unless it ends with 0.
absl::StatusOr<std::vector<std::string>> RunProgram(const Program& program);

}  // namespace latchkey::bench
