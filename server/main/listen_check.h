// Whether a port can be listened on.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace latchkey {

// Of the setting with that name. INVALID_ARGUMENT for what is no address, UNAVAILABLE for one that
// is in use or not this machine's. A port that is free now may be taken a moment later.
absl::Status CheckListenAddress(const std::string& address,
                                const std::string& setting = "listen_address");

// Whether only this machine can reach it. For an address that has passed the check.
bool IsLoopback(const std::string& address);

}  // namespace latchkey
