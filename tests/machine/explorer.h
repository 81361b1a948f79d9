// Searches, breadth first, everything that can happen to one key at small scope: two or three
// callers, a clock of a few ticks, crashes that reload the durable part, calls that are lost,
// repeated, late or carry old tokens. What the machine keeps is the state, together with a few
// ghosts: what callers were told, what they did, and until when they believe to hold the key.
// Checks the Invariants on every transition, and the ghosts for L5 (who believes to hold does hold)
// and I5 (the effect happens once).
//
// Callers are honest, as the contract demands: they act once on an EXECUTE grant, say NOT_EXECUTED
// only of what they did not do, and RUN_NOT_EXECUTED only when nobody has acted or will.
//
// Any call may come at any time, so a lost answer is a caller that does nothing more, and a
// duplicate is the same move again. Time is what is left of the lease: a tick takes away from it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "latchkey/v1/coordination.pb.h"
#include "server/machine/record_machine.h"
#include "tests/support/search_report.h"

namespace latchkey::exhaustive {

enum class Action {
  kAcquire,
  kAcquireNoRecover,
  kRenew,
  kRenewLonger,
  kMark,
  kCheck,
  kSucceed,
  kReject,
  kReleaseUnset,
  kReleaseNotExecuted,
  kReleaseUnknown,
  kReleaseRunNotExecuted,
  kReleaseAttempt,
  kUndo,
  kLapse,
  kForceRelease,
  kResolveSucceeded,
  kResolveNotExecuted,
  kDelete,
  // Not the machine's: a caller acts, time passes, the server starts again.
  kAct,
  kTick,
  kCrash,
};

struct Move {
  Action action = Action::kTick;
  int attempt = 0;
  v1::AcquireLockRequest::OnLapse on_lapse = v1::AcquireLockRequest::IN_DOUBT;
  std::uint64_t token = 0;
};

std::string Print(const Move& move);

// The machine as the search drives it. A test overrides Apply to seed a wrong rule.
class Machine {
 public:
  virtual ~Machine() = default;
  // `mode` is what the caller is told where the answer is a grant.
  virtual Step Apply(KeyState& key, const Move& move, const Context& context,
                     std::optional<v1::Grant::Mode>* mode);
};

// Where the search begins.
enum class Beginning {
  kNew,          // a key that nobody has used
  kRestoredKey,  // one that somebody has worked on since the backup that was restored: it is absent
  kRestoredGrant,  // one that was held in the backup, and its holder marked it and acted since
};

struct Scope {
  Beginning beginning = Beginning::kNew;
  int callers = 2;               // 2 or 3; the first of them makes two attempts
  int tokens = 3;                // grants ever made, up to 5
  bool check_invariants = true;  // otherwise only the ghosts complain
  SearchBounds bounds;
};

SearchReport Explore(Machine& machine, const Scope& scope);

}  // namespace latchkey::exhaustive
