// How latchkey ends: one table for its code, its help and docs/cli.md.
#pragma once

#include <array>

namespace latchkey::cli {

// Those above 64 are named in sysexits.h; 124, 126 and 127 are as with timeout(1) and env(1).
// `once` and `lock` also end with what their command ended with.
enum ExitCode : int {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,
  kRefused = 65,
  kAbsent = 66,
  kUnavailable = 69,
  kHeld = 73,
  kInDoubt = 75,
  kNoPermission = 77,
  kWaitedInVain = 124,
  kCannotExecute = 126,
  kCommandNotFound = 127,
};

// A code and what it means.
struct ExitMeaning {
  ExitCode code;
  const char* meaning;
};

inline constexpr std::array<ExitMeaning, 12> kExitMeanings = {{
    {kDone, "done"},
    {kFailed, "failed here: a file cannot be read, output cannot be written, a bug"},
    {kUsage, "wrong usage: mend the command line; nothing was asked for"},
    {kRefused, "the service refused, and says why; asking again gets the same answer"},
    {kAbsent, "there is no record of this key"},
    {kUnavailable, "the service cannot be asked; nothing was run; try again"},
    {kHeld, "somebody else holds the key; nothing was run"},
    {kInDoubt, "in doubt: the effect may have happened or not; nothing runs again by itself"},
    {kNoPermission, "the credentials are missing, unknown, or do not allow this"},
    {kWaitedInVain, "as 73, after having waited as long as asked"},
    {kCannotExecute, "the command cannot be executed; nothing was run"},
    {kCommandNotFound, "the command was not found; nothing was run"},
}};

}  // namespace latchkey::cli
