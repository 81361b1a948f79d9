// One state of the search: the key, what of it is durable, and the ghosts.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "server/machine/invariants.h"
#include "tests/machine/explorer.h"

namespace latchkey::exhaustive {

inline constexpr Duration kTick = std::chrono::milliseconds(100);
inline constexpr MonotonicTime kNow = MonotonicTime(std::chrono::hours(1));
inline constexpr int kAttemptsMax = 4;
inline constexpr int kTokensMax = 5;

inline std::string AttemptId(int attempt) {
  return std::string(1, static_cast<char>('a' + attempt));
}
// The first caller's, the second's, the first's next one, the third's.
inline std::string HolderId(int attempt) { return {"ABAC"[attempt]}; }
inline constexpr Duration kLease = kTick;
inline constexpr Duration kLongerLease = kTick * 2;

// What the holder of a token may still do.
enum class Holder : char {
  kNothing,   // was never told, has given up, or must not execute
  kMustMark,  // was told EXECUTE, and acts only after a mark that was answered
  kMayAct,
  kActed,
};

struct World {
  KeyState key;
  std::optional<storage::v1::Record> durable;
  std::uint64_t highest = 0;
  // By token; [0] is not used.
  std::array<Holder, kTokensMax + 1> holders{};
  std::array<bool, kAttemptsMax> dead{};  // its caller is done with it: an answer reaches nobody
  // Who believes to hold the key, and for how long.
  std::uint64_t believer = 0;
  Duration belief = Duration::zero();
  int effects = 0;

  std::string Encode() const;
  static World Decode(const std::string& bytes);
  v1::CheckResultResponse::State state() const;
};

// What the Invariants must know of the move; the summary points into `attempt_id`.
CommandSummary Summarize(const Move& move, const std::string& attempt_id);

}  // namespace latchkey::exhaustive
