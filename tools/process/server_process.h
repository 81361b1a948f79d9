// A server that a tool or a test starts: latchkeyd, or any other that says where it serves.
#pragma once

#include <chrono>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "tools/process/child_process.h"

namespace latchkey {

// Dies as a ChildProcess does. To have it again after its end, start the same program with
// --listen-address=address(): it serves where it did. Not thread-safe.
class ServerProcess {
 public:
  // Returns when the program has written "... is serving on HOST:PORT". UNAVAILABLE, with the last
  // line of its log, where it ends before that or takes longer than `patience`.
  static absl::StatusOr<ServerProcess> Start(
      const Program& program, std::chrono::milliseconds patience = std::chrono::seconds(60));

  // HOST:PORT, the port that it really has.
  const std::string& address() const { return address_; }
  ChildProcess& process() { return process_; }
  const ChildProcess& process() const { return process_; }

 private:
  ServerProcess(ChildProcess process, std::string address)
      : process_(std::move(process)), address_(std::move(address)) {}

  ChildProcess process_;
  std::string address_;
};

// The last line of a program's log, for error messages.
std::string LastLineOf(const std::string& log);

}  // namespace latchkey
