// Latchkey, and the echo server that stands for what gRPC alone costs, as systems to be measured.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/load_generator/benches.h"
#include "tools/load_generator/latchkey_flows.h"
#include "tools/load_generator/measurement.h"
#include "tools/load_generator/scratch.h"
#include "tools/load_generator/system.h"
#include "tools/process/server_process.h"

namespace latchkey::bench {

// Answers an AcquireLock as a flow, and decides and stores nothing.
System EchoSystem(const BenchOptions& options);
System LatchkeySystem(const BenchOptions& options, Transport transport, Flow flow);
// Flows of AcquireLock and RecordResult, over every transport.
std::vector<System> LatchkeySystems(const BenchOptions& options);

// latchkeyd on a free port, with its store in `directory`, limits that do not get in the way,
// `more` flags, and additions to its environment.
absl::StatusOr<ServerProcess> StartLatchkeyd(const BenchOptions& options,
                                             const std::filesystem::path& directory,
                                             const std::vector<std::string>& more = {},
                                             const std::vector<std::string>& environment = {});

// One for a part of a benchmark, with an empty store on the disk that is measured.
struct FreshServer {
  explicit FreshServer(const BenchOptions& options, const std::vector<std::string>& flags = {});
  ScratchDirectory scratch;
  absl::StatusOr<ServerProcess> process;
};

// A row about it, for figures to be added.
Row LatchkeyRow(const BenchOptions& options, const std::string& bench, const std::string& part,
                Transport transport);

// The first number, as in 1.2.3, that `program --version` prints; empty if it prints none.
std::string VersionOf(const std::string& program, const std::string& flag = "--version");

}  // namespace latchkey::bench
