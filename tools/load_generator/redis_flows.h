// Flows against Redis, by hiredis without blocking.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "tools/load_generator/closed_loop.h"

namespace latchkey::bench {

// Loads the script that gives a lock back, into the server at a port of the loopback interface;
// what EVALSHA calls it.
absl::StatusOr<std::string> LoadUnlockScript(int port);

// With a connection for each flow, not pipelined.
absl::StatusOr<std::unique_ptr<Driver>> ConnectRedis(int port, const std::string& unlock_script,
                                                     int connections);

}  // namespace latchkey::bench
