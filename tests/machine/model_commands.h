// Random commands for the model test and its fuzzer. A command names its token, attempt and time by
// what they are to the key ("the newest", "just before the lease ends"), so that a sequence still
// makes sense after commands were taken out of it: that is how a failing one is made short.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tests/machine/naive_model.h"

namespace latchkey::naive {

// Where the commands come from: chance, or the bytes that a fuzzer tries.
class Choices {
 public:
  virtual ~Choices() = default;
  // 0 to `bound` - 1.
  virtual int Below(int bound) = 0;
  bool OneIn(int n) { return Below(n) == 0; }
};

// Small, fast, and the same everywhere (Vigna's splitmix64).
class Random final : public Choices {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t Next();
  int Below(int bound) override {
    return static_cast<int>(Next() % static_cast<std::uint64_t>(bound));
  }

 private:
  std::uint64_t state_;
};

enum class Kind {
  kAcquire,
  kRenew,
  kCheck,
  kRecord,
  kRelease,
  kReleaseAttempt,
  kGetRecord,
  kResolve,
  kForceRelease,
  kDelete,
  kLapse,
  kUndo,
  kCrash,
  kAdvance,
  kBackUp,
  kRestore,
  kClearDoubt,
};

enum class TokenChoice { kNewest, kOlder, kOtherKey, kFuture };

enum class TimeStep {
  kTick,
  kToDeadline,
  kBeforeDeadline,
  kAfterDeadline,
  kToDownstreamEnd,
  kBeforeDownstreamEnd,
  kToBodyEnd,
  kBeforeBodyEnd,
  kToKeyEnd,
  kBeforeKeyEnd,
  kToForgotten,
  kBeforeForgotten,
  kDay,
};

enum class SentAt {
  kUnset,
  kNow,
  kTooOld,
  kJustInTime,
  kHorizon,
  kAfterHorizon,
  kBeforeRestore,
  kAfterRestore,
};

struct Command {
  Kind kind = Kind::kAcquire;
  // Stays in the batch of a grant that is not committed yet, where the kind allows it.
  bool same_batch = false;
  int caller = 0;
  bool new_attempt = false;
  bool other_holder = false;  // the attempt_id under another name
  bool attempt_ended = false;
  TokenChoice token = TokenChoice::kNewest;
  AcquireCall acquire;  // all but attempt and holder
  SentAt sent_at = SentAt::kUnset;
  RenewCall renew;  // all but the token
  Report report;    // all but the token
  Effect effect = Effect::kUnset;
  TimeStep step = TimeStep::kTick;
  bool raise_horizon = false;
  bool latest_ahead = false;
  bool wall_steps = false;
  int waiters = 0;
  std::string creation_refusal;
};

Command RandomCommand(Choices& random, int callers);

// For people: one line, with what matters to its kind.
std::string Print(const Command& command);
const char* Name(Kind kind);

}  // namespace latchkey::naive
