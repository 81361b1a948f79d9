// A server that is killed under load, and started again.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/load_generator/benches.h"
#include "tools/process/server_process.h"

namespace latchkey::bench {

// Loads the server with flows, kills it (SIGKILL) after a second of that, and puts one in its place
// that StartLatchkeyd starts in the same directory. The seconds from exec to the first AcquireLock
// that is acknowledged. `name` is new for every call against one store.
absl::StatusOr<double> RestartUnderLoad(const BenchOptions& options, ServerProcess& server,
                                        const std::filesystem::path& directory,
                                        const std::string& name);

}  // namespace latchkey::bench
