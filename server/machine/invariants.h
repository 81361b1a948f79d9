// What must hold for one key whatever is asked of it, by the names of CONTRACT's invariants: L1 to
// L7, I1 to I6, D1 and S1. Checked after every command in tests, and by the server in debug builds.
//
// Every check looks at one step: the key before it, the key after it, what was asked and what was
// said. A record carries its own past (newest token, longest promise, doubt, mark), so step by step
// is enough. The invariants know nothing of how the machine decides; they only know what it must
// never do.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "server/machine/record_machine.h"

namespace latchkey {

// What was done to a key, as far as the invariants need to know it. The views point into the
// request.
struct CommandSummary {
  enum class Kind {
    kAcquireLock,
    kRenewLease,
    kCheckResult,
    kRecordResult,
    kRelease,
    kReleaseAttempt,  // Release with an attempt_id and no token
    kGetRecord,
    kResolveOutcome,
    kForceRelease,
    kDeleteRecord,
    kLapse,
    kUndoGrant,
    kCommit,   // a pending grant was given its token
    kRestart,  // a new process took up the durable record
  };
  Kind kind = Kind::kGetRecord;
  // The token that the call carries; 0: it carries none.
  std::uint64_t fencing_token = 0;
  std::string_view attempt_id;
  std::string_view fingerprint;
  // With kAcquireLock; empty: not given.
  std::optional<WallTime> first_sent_at;
  // With kAcquireLock and kRenewLease; empty: as granted.
  std::optional<Duration> lease_duration;
  // With kRelease.
  int effect = 0;
  // With kResolveOutcome: to NOT_EXECUTED.
  bool not_executed = false;

  static CommandSummary Of(const v1::AcquireLockRequest& request);
  static CommandSummary Of(const v1::RenewLeaseRequest& request);
  static CommandSummary Of(const v1::CheckResultRequest& request);
  static CommandSummary Of(const v1::RecordResultRequest& request);
  static CommandSummary Of(const v1::ReleaseRequest& request);
  static CommandSummary Of(const v1::GetRecordRequest& request);
  static CommandSummary Of(const v1::ResolveOutcomeRequest& request);
  static CommandSummary Of(const v1::ForceReleaseRequest& request);
  static CommandSummary Of(const v1::DeleteRecordRequest& request);
};

class Invariants {
 public:
  struct Violation {
    std::string_view name;  // "L1", ...
    std::string_view sentence;
  };

  // Nothing, or the first invariant that the step breaks. For kCommit, `context.highest_token` is
  // the highest before the commit.
  [[nodiscard]] static std::optional<Violation> Check(const KeyState& before, const KeyState& after,
                                                      const Step& step, const Context& context,
                                                      const CommandSummary& what);

  // S1: two decisions of the same command on the same key.
  [[nodiscard]] static std::optional<Violation> CheckSame(const KeyState& one, const Step& one_step,
                                                          const KeyState& other,
                                                          const Step& other_step);

  // Decides, and checks the step; decides again on a copy, and checks S1. Stands in for Decide.
  template <class Request, class Response>
  [[nodiscard]] static Step Decide(KeyState& key, const Request& request, const Context& context,
                                   Response* response, std::optional<Violation>* violation) {
    const KeyState before = key;
    KeyState copy = key;
    Response repeated;
    const Step again = latchkey::Decide(copy, request, context, &repeated);
    Step step = latchkey::Decide(key, request, context, response);
    *violation = Check(before, key, step, context, CommandSummary::Of(request));
    if (!*violation) *violation = CheckSame(key, step, copy, again);
    if (!*violation && !step.refusal &&
        response->SerializeAsString() != repeated.SerializeAsString()) {
      *violation = {"S1", "the same command got two different responses"};
    }
    return step;
  }

  // Stand in for Lapse and UndoGrant.
  [[nodiscard]] static Step Lapse(KeyState& key, const Context& context,
                                  std::optional<Violation>* violation);
  [[nodiscard]] static Step UndoGrant(KeyState& key, std::uint64_t fencing_token,
                                      const Context& context, std::optional<Violation>* violation);
};

}  // namespace latchkey
