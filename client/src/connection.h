// The calls of the service in plain C++: each is tried, timed out and retried by the rules that fit
// it, and comes back as a value or an Error. Clients, leases and mocks see no protobuf beyond this
// line.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "latchkey/answer.h"
#include "latchkey/boot_clock.h"
#include "latchkey/lease.h"
#include "latchkey/options.h"
#include "latchkey/outcome.h"
#include "latchkey/result.h"
#include "retry_loop.h"
#include "runtime.h"

namespace latchkey::inline client::internal {

struct KeyName {
  std::string key_namespace;
  std::string key;
};

// How long a lease may be believed in.
struct Validity {
  // Before the call that brought it was sent.
  BootClock::time_point sent_at = {};
  // sent_at + (server_elapsed + lease_remaining) x (1 - drift): the service ends the lease no
  // earlier. Both are bounded by what they can be.
  BootClock::time_point safe_until = {};
};

// The lock, as granted. See Attempt.
struct Grant {
  std::uint64_t fencing_token = 0;
  Mode mode = Mode::kRecover;
  RecoverAction recover_action = RecoverAction::kQueryOnly;
  std::uint32_t attempt_number = 0;
  Validity validity = {};
  std::string downstream_idempotency_key = {};
  std::chrono::nanoseconds downstream_key_remaining = {};
  std::string checkpoint = {};
  std::string previous_holder_id = {};
  std::chrono::nanoseconds doubt_age = {};
  std::vector<LateOutcome> late_outcomes = {};
};

using AcquireReply = std::variant<Grant, Completed, Contention, Error>;

struct AcquireCall {
  KeyName name;
  std::string holder_id;
  AcquireOptions options;
};

struct RenewCall {
  KeyName name;
  std::uint64_t fencing_token;
  BootClock::time_point deadline;
  // kNever for the background's renewals, which have a rhythm of their own.
  RetryRule rule = RetryRule::kBroken;
  std::optional<std::chrono::nanoseconds> lease_duration = {};
  bool effect_started = false;
  std::optional<std::string> checkpoint = {};
};

struct RecordCall {
  KeyName name;
  std::uint64_t fencing_token;
  BootClock::time_point deadline;
  Outcome outcome;
};

struct ReleaseCall {
  KeyName name;
  std::uint64_t fencing_token;
  BootClock::time_point deadline;
  Effect effect;
};

struct CheckCall {
  KeyName name;
  CheckOptions options;
};

struct IssueCall {
  std::string key_namespace;
  IssueOptions options;
};

// Thread-safe. Every callback is called exactly once, possibly before the call returns, on a thread
// that it must not block; after Close perhaps never: it is destroyed then. Calls that take a stop
// token end soon after it was used, with CANCELLED or the answer that was on its way.
class Connection {
 public:
  virtual ~Connection() = default;

  // One attempt with an attempt_id of its own, the same on every try; waits are cut to what the
  // service takes. An attempt that ends without an answer is called back by Release(attempt_id).
  virtual void AcquireLock(AcquireCall call, Callback<AcquireReply> callback) = 0;
  virtual void RenewLease(RenewCall call, Callback<Answer<Validity>> callback) = 0;
  // `call.outcome` is final. Answers the stored result, payload included where it was stored.
  virtual void RecordResult(RecordCall call, Callback<Answer<StoredResult>> callback) = 0;
  virtual void Release(ReleaseCall call, Callback<Answer<KeyStatus::State>> callback) = 0;
  virtual void CheckResult(CheckCall call, Callback<Answer<KeyStatus>> callback) = 0;
  virtual void IssueKey(IssueCall call, Callback<Answer<std::string>> callback) = 0;

  // Calls back if the service says that the lease of this token has ended, until Unwatch. What it
  // does not say the next renewal finds out. Not every connection hears of it.
  virtual void WatchLease(std::uint64_t /*fencing_token*/, Callback<std::string> /*lost*/) {}
  virtual void UnwatchLease(std::uint64_t /*fencing_token*/) {}

  virtual const std::shared_ptr<Runtime>& runtime() const = 0;
  // Drops what is under way, in bounded time, in which outcomes and releases may still arrive and
  // attempts that are not answered are ended in the service. Nothing is called back afterwards that
  // did not begin before.
  virtual void Close() = 0;
};

}  // namespace latchkey::inline client::internal
