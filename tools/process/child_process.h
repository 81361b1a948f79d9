// A process that a tool or a test starts: its output, its pauses and its end.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace latchkey {

// What to start, and how.
struct Program {
  // The path of a program, and its arguments.
  std::vector<std::string> command;
  // What it writes to stderr goes to the end of this file.
  std::string log;
  // "NAME=value", each added to our own environment or put in the place of what is there.
  std::vector<std::string> environment = {};
};

// A process of ours. It dies with the thread that started it, whatever that dies of, so nothing is
// left behind; it is signalled by its id alone. Not thread-safe.
class ChildProcess {
 public:
  // INTERNAL with one line that says what could not be done.
  static absl::StatusOr<ChildProcess> Start(const Program& program);
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

  // SIGSTOP; nothing of it runs any more when this returns.
  void Freeze();
  // SIGCONT.
  void Thaw();

  // These two answer its exit code; 128 + the signal where one ended it; 0 if it was reaped before.
  // Asks it to end (SIGTERM), waits for that, kills it when it takes longer than `patience`.
  int Stop(std::chrono::milliseconds patience);
  // SIGKILL; it is gone when this returns.
  int Kill();

 private:
  ChildProcess(pid_t pid, int output) : pid_(pid), output_(output) {}
  int Reap();

  pid_t pid_ = -1;   // -1: reaped, or moved from
  int output_ = -1;  // the reading end of its stdout; -1: closed
  std::string partial_line_;
};

}  // namespace latchkey
