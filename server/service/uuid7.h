// Fresh keys.
#pragma once

#include <string>

#include "base/time.h"

namespace latchkey {

// A UUIDv7 (RFC 9562): milliseconds since 1970, then 74 random bits. 36 characters, lower case.
std::string NewUuid7(WallTime now);

}  // namespace latchkey
