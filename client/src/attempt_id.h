// Names an attempt, so that its retries are known for what they are.
#pragma once

#include <string>

#include "runtime.h"

namespace latchkey::inline client::internal {

// A random UUID (version 4 of RFC 9562). Lives in memory only: a process that died and came back is
// a new attempt, and an id derived from the key would make it look like the old one.
std::string MakeAttemptId(Runtime& runtime);

}  // namespace latchkey::inline client::internal
