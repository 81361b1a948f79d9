// The processes that the demo starts: their output, and their end.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace latchkey::demo {

// A process of ours. It dies with us, whatever we die of. Not thread-safe.
class ChildProcess {
 public:
  // Starts `command` (a path and its arguments); what it writes to stderr goes to the end of `log`.
  static absl::StatusOr<ChildProcess> Start(const std::vector<std::string>& command,
                                            const std::string& log);
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  // Kills it if it is still there.
  ~ChildProcess();

  // Waits for output of any of `children`, for `timeout` at most. A child that has ended has
  // output.
  static void WaitForOutput(const std::vector<ChildProcess*>& children,
                            std::chrono::milliseconds timeout);
  // The whole lines that it has written to stdout since the last call. Does not block.
  std::vector<std::string> TakeLines();
  // True until it has closed its stdout, which is when it ends, and all of that was taken.
  bool live() const { return output_ >= 0; }

  // -1 once it was reaped.
  pid_t pid() const { return pid_; }

  // Asks it to end (SIGTERM), waits for that, kills it when it takes longer than `patience`.
  // Answers its exit code; 128 + the signal where one ended it.
  int Stop(std::chrono::milliseconds patience);

 private:
  ChildProcess(pid_t pid, int output) : pid_(pid), output_(output) {}
  int Reap();

  pid_t pid_ = -1;   // -1: reaped, or moved from
  int output_ = -1;  // the reading end of its stdout; -1: closed
  std::string partial_line_;
};

}  // namespace latchkey::demo
