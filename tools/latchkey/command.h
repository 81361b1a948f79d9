// A command that runs under a lease: started in a process group of its own, watched, ended in time.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "latchkey/answer.h"
#include "latchkey/lease.h"
#include "tools/latchkey/cli.h"
#include "tools/latchkey/recorded_run.h"
#include "tools/latchkey/signals.h"

namespace latchkey::cli {

// What a subcommand that runs a command is asked for.
struct RunOptions {
  std::string key = {};
  std::string holder = {};
  std::optional<std::chrono::nanoseconds> wait = {};
  std::optional<std::chrono::nanoseconds> lease = {};
  std::optional<std::chrono::nanoseconds> kill_after = {};
};

// --lease, --kill-after and --holder.
void AddRunOptions(CLI::App& sub, RunOptions& options);

// Who runs it: the one that was named, or this process.
std::string HolderOf(const RunOptions& options);

// What to run, and how.
struct CommandOptions {
  std::vector<std::string> command = {};
  std::string key_namespace = {};
  // Between asking it to end and killing it; no longer than a third of `lease`.
  std::chrono::nanoseconds grace = std::chrono::seconds(10);
  std::chrono::nanoseconds lease = std::chrono::seconds(30);
  // Passes its output through and keeps the beginnings; its standard input is empty if it were a
  // terminal. Else it has our streams, and the terminal if we have that.
  bool capture = false;
  // How much of each stream is kept.
  std::size_t capture_bytes = 0;
};

// The command of this session, as it was asked for.
CommandOptions CommandFor(const Session& session, const RunOptions& options);

// How it ended.
struct CommandEnd {
  enum class Kind {
    // It could not be started: `code` is the errno.
    kNotStarted,
    // By itself: `code` is its exit code.
    kExited,
    // By a signal: `code` is the signal.
    kSignalled,
  };
  Kind kind = Kind::kNotStarted;
  int code = 0;
  // It was told to stop, by a signal that was handed on to it or because its lease was ending.
  bool told_to_stop = false;
  // The lease was lost or about to be.
  bool lease_lost = false;
  std::string lease_lost_why = {};
  Captured output = {};
  Captured errors = {};
  // What of its output could not be passed through without waiting.
  std::string output_left = {};
  std::string errors_left = {};

  // As a shell would put it: the exit code, 128 + the signal, 126 or 127.
  int ExitCode() const;
};

// Runs it to its end. Signals that arrive meanwhile are handed on to its group. The whole group is
// ended (SIGTERM, after the grace SIGKILL) before `attempt`'s lease is over, and when that is lost.
// The command itself is killed should this process die. Call it on the main thread.
CommandEnd RunCommand(const CommandOptions& options, Attempt& attempt, EndRequests& requests);

// Where nothing was run. They say why, and give the code to end with.
//
// There was no answer; after a signal, because of that.
int Unanswered(const Session& session, const EndRequests& requests, Error error);
// Somebody else holds the key.
int HeldBy(const std::string& holder, bool waited);

// Writes all of it, waiting as long as it takes; errors are ignored.
void WriteAll(int descriptor, const std::string& bytes);

}  // namespace latchkey::cli
