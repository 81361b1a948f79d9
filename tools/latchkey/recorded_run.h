// A command's end as it is recorded and replayed.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "latchkey/outcome.h"
#include "latchkey/result.h"

namespace latchkey::cli {

inline constexpr char kCommandResultType[] = "application/vnd.latchkey.command-result";

// One stream of a command: its beginning, and how much there was.
struct Captured {
  std::string kept = {};
  std::uint64_t written = 0;
};

// What is known of a command that has ended.
struct RecordedRun {
  int exit_code = 0;
  Captured output = {};
  Captured errors = {};
};

// The payload, of at most `limit` bytes: where both streams together are too long, each keeps at
// least its half, and what one does not need goes to the other.
std::string Encode(const RecordedRun& run, std::size_t limit);

// What such a payload says; empty if it is none.
std::optional<RecordedRun> DecodeRun(const std::string& content_type, const std::string& payload);

// SUCCEEDED for exit code 0, else REJECTED; the code says "exit N", also where the payload is gone.
Outcome OutcomeOf(const RecordedRun& run, std::size_t limit,
                  std::optional<std::chrono::nanoseconds> retention);

// What was recorded, as far as it is known.
struct Recalled {
  RecordedRun run = {};
  // What is missing or odd, for people; empty if nothing is.
  std::string note = {};
};

// Never fails: what somebody else recorded is taken for what it says.
Recalled Recall(const StoredResult& result);

}  // namespace latchkey::cli
