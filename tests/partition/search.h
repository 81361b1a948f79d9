// Searches, breadth first, everything that can happen to one key of the shipped Partition at small
// scope: callers that wait, give up, repeat themselves and go away, in batches of several calls;
// leases that run out, waits whose time is up, grants that reach nobody; an operator; commits that
// fail; crashes. tests/machine/explorer.h does the same for the rules alone, and with more of them.
//
// The partition cannot be copied, so a state is the moves that led to it: they are made again, from
// the start, for each move that follows. Two states are taken for one where all that can be seen of
// them is the same: what is stored, who waits in which order and for how long, what waits to be
// decided, which attempts ended, when the next timer fires, and what callers were told.
//
// Callers are honest, as the contract demands: they say NOT_EXECUTED only of what they did not do,
// and RUN_NOT_EXECUTED only when nobody did, and then do it no more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "tests/support/search_report.h"

namespace latchkey::search {

enum class Action : std::uint8_t {
  // Calls, which are put into the next batch.
  kAcquire,           // waits, accepts a key in doubt
  kAcquireNoRecover,  // waits, does not accept one
  kTry,               // does not wait
  kCheck,             // waits for the result
  kRenew,
  kRenewLonger,
  kMark,
  kRecord,
  kReleaseUnset,
  kReleaseNotExecuted,
  kReleaseUnknown,
  kReleaseRunNotExecuted,
  kGiveUp,  // by attempt
  kResolveSucceeded,
  kResolveNotExecuted,
  kForceRelease,
  kDelete,
  kCancel,  // the caller goes away, and the server knows
  // Everything else.
  kProcess,            // the batch is decided
  kProcessWhileGoing,  // and while it is committed a caller goes away
  kRetryGoing,         // the same, where it has repeated its call, and only the retry goes
  kProcessFailing,     // and its commit happens, but the store says that it failed
  kTick,
  kCrash,
};

struct Move {
  Action action = Action::kTick;
  std::uint8_t attempt = 0;
  std::uint8_t token = 0;
  std::uint8_t on_lapse = 0;
};

struct Scope {
  int callers = 3;
  int attempts = 1;             // of each caller
  int tokens = 3;               // grants ever made
  int batch = 2;                // calls decided together
  bool retries = true;          // a caller repeats a call that still waits
  bool every_on_lapse = false;  // otherwise each caller has one of its own
  bool no_recover = true;       // callers that do not accept a key in doubt
  bool longer = false;          // renewals that ask for more time
  bool checks = true;           // somebody waits for the result
  bool admin = true;            // an operator
  bool faults = true;           // failing commits, and grants that reach nobody
  bool fingerprints = false;    // the second caller and the third bring different ones
  SearchBounds bounds;
};

class World;

// What the search does to the partition. A test overrides it to seed something wrong.
class Server {
 public:
  virtual ~Server() = default;
  virtual void Cancel(World& world, std::size_t pending);
  virtual void Tick(World& world);
  virtual void Restart(World& world);
};

SearchReport Search(Server& server, const Scope& scope);

std::string Print(const Move& move, const Scope& scope);

}  // namespace latchkey::search
