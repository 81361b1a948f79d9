// A held lock: what its holder was told at the grant, whether it still holds, and how to end it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "latchkey/answer.h"
#include "latchkey/async.h"
#include "latchkey/boot_clock.h"
#include "latchkey/outcome.h"
#include "latchkey/result.h"

namespace latchkey::inline client {

namespace internal {
class Core;
class HeldLease;
class Run;
}  // namespace internal

// Whether the holder may still believe that it holds.
enum class LeaseState {
  // Yes.
  kHeld,
  // Yes until safe_until(), but renewing fails: finish, or do not begin.
  kUncertain,
  // No, and never again. Stop; what was begun may still be recorded, as `late`, unless somebody
  // else has been granted the key since.
  kLost,
};

// Whether the work may be run.
enum class Mode {
  // Nobody has run this work in this run: do it.
  kExecute,
  // An earlier attempt may have acted: find out, do not run it blindly.
  kRecover,
};

// What a recovering holder may do.
enum class RecoverAction {
  // In mode EXECUTE there is nothing to recover.
  kNone,
  // Send the same request again with downstream_idempotency_key(): the provider still deduplicates
  // it, for downstream_key_remaining().
  kResendSameKey,
  // Ask the provider what happened; do not send again.
  kQueryOnly,
};

// What an earlier claimant of the key reported and was not allowed to record: the best evidence
// there is.
struct LateOutcome {
  // That of the claimant's grant.
  std::uint64_t fencing_token = 0;
  // What it reported.
  StoredResult::Outcome outcome = StoredResult::Outcome::kSucceeded;
  // See ResultFields.
  std::string code = {};
  // See ResultFields.
  std::string provider_reference = {};
  // By the service's clock.
  std::chrono::system_clock::time_point received_at = {};
};

// One attempt at the work of a key, as the work itself sees it: RunOnce hands one to `create` or
// `recover`. The lease behind it is renewed in the background. All members may be called from any
// thread; those that return an Answer ask the service and block until it has answered or
// safe_until() is reached. In a child process after fork() it is lost, CLIENT_AFTER_FORK.
class Attempt {
 public:
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  // --- What the grant said.

  // The key that this is about.
  const std::string& key() const;
  // Strictly increasing over all grants of the service. Hand it to any resource that can check it.
  std::uint64_t fencing_token() const;
  // Read this first.
  Mode mode() const;
  // With mode kRecover. Turns from kResendSameKey into kQueryOnly by itself when the provider's
  // window runs out.
  RecoverAction recover_action() const;
  // The number of grants in this run, this one included; from 1.
  std::uint32_t attempt_number() const;
  // The idempotency key to send to the provider: the same for every attempt of this key, for ever.
  const std::string& downstream_idempotency_key() const;
  // For how much longer, from now, the provider deduplicates that key. 0: not, or no longer.
  // Counted from before the lock was asked for, so that it errs on the short side.
  std::chrono::nanoseconds downstream_key_remaining() const;
  // The last checkpoint of this run, this attempt's own included; empty if none.
  std::string checkpoint() const;
  // Who held the key before in this run.
  const std::string& previous_holder_id() const;
  // With mode kRecover: how long ago the lease before this one ended. A provider's "not found"
  // means something only when this is longer than the longest time a call to it can take.
  std::chrono::nanoseconds doubt_age() const;
  // What earlier claimants reported too late.
  const std::vector<LateOutcome>& late_outcomes() const;

  // --- Whether it still holds.

  // By the clock, without asking the service.
  LeaseState state() const;
  // Why the lease is UNCERTAIN or LOST: a reason of the service such as STALE_FENCING_TOKEN, or
  // RENEWAL_OVERDUE, SAFE_UNTIL_REACHED, RECORDED, RELEASED; what a failed renewal said. Empty with
  // kHeld.
  std::string state_reason() const;
  // Until then nobody else holds the lock, whatever happens to the network or the service. Rises
  // with every renewal and never goes down.
  BootClock::time_point safe_until() const;
  // What is left until safe_until(); 0 when lost. Check it before an irreversible step: it should
  // cover the step's own time-out.
  std::chrono::nanoseconds remaining() const;
  // Calls `callback` with state_reason() once the lease is LOST; soon, if it is already. Never when
  // it ended because its holder did: RECORDED and RELEASED are no loss; nor when the loss comes
  // after this object has gone. Each callback is called at most once, on a thread as in async.h,
  // and may come a moment after state() says so: let it own what it uses.
  void OnLost(Callback<std::string> callback);
  // AcquireOptions::stop: whether the caller would rather have the work end. A request, no more.
  std::stop_token stop_token() const;

  // --- What may be told to the service on the way. Each also renews the lease and answers what is
  // left.

  // Extends the lease to at least `lease_duration` from now (unset: as granted); never shortens it.
  // Needed only to ask for a longer one: the client renews by itself.
  Answer<std::chrono::nanoseconds> Renew(
      std::optional<std::chrono::nanoseconds> lease_duration = {});
  // Marks, durably, that the effect may begin now. Required before the effect with
  // OnLapse::kForgetUnlessStarted; if it fails, do not begin.
  Answer<std::chrono::nanoseconds> MarkEffectStarted();
  // Replaces the run's checkpoint, durably: up to 4 KiB that the next holder gets if this one is
  // lost.
  Answer<std::chrono::nanoseconds> SaveCheckpoint(std::string_view checkpoint);
  // The same, not blocking.
  void RenewAsync(std::optional<std::chrono::nanoseconds> lease_duration,
                  Callback<Answer<std::chrono::nanoseconds>> callback);
  // The same, not blocking.
  void MarkEffectStartedAsync(Callback<Answer<std::chrono::nanoseconds>> callback);
  // The same, not blocking.
  void SaveCheckpointAsync(std::string_view checkpoint,
                           Callback<Answer<std::chrono::nanoseconds>> callback);

 protected:
  // For the library.
  Attempt(std::shared_ptr<internal::Core> core, std::shared_ptr<internal::HeldLease> held);
  // For Lease.
  Attempt(Attempt&&) noexcept;
  // For Lease.
  Attempt& operator=(Attempt&&) noexcept;
  ~Attempt();

  // Keeps the connection open.
  std::shared_ptr<internal::Core> core_;
  // Null once moved from.
  std::shared_ptr<internal::HeldLease> held_;
};

// What the holder knows about the effect when it gives the lock back without a result.
enum class Effect {
  // This holder did nothing. In mode RECOVER the key stays in doubt, because earlier attempts may
  // have.
  kNotExecuted,
  // The effect may have happened: the key is in doubt.
  kUnknown,
  // The provider was asked about every attempt of this run, and none acted: ends the doubt.
  kRunNotExecuted,
};

// A held lock that the caller ends itself, from Client::AcquireLock. Dropped without Record or
// Release it is given back as Effect::kUnknown, unless one of them is still under way; that
// blocks for 1 s at most (on a thread of the library not at all), and goes on in the background
// while any Client or Lease of the same connection lives.
class [[nodiscard]] Lease : public Attempt {
 public:
  // For the library: leases come from Client::AcquireLock.
  Lease(std::shared_ptr<internal::Core> core, std::shared_ptr<internal::HeldLease> held);
  // Leaves behind what may only be destroyed or assigned to.
  Lease(Lease&&) noexcept;
  // Gives back what it held before, as the destructor does.
  Lease& operator=(Lease&&) noexcept;
  ~Lease();

  // Records a final outcome and gives the lock back, in one durable step. Retried until the service
  // has acknowledged or refused it, also when the lease is lost; this call waits for that for
  // AcquireOptions::record_timeout. With kRecorded and kSuperseded the lease is over; after
  // kUnrecorded this may be called again. An outcome that is not final is kUnrecorded with
  // OUTCOME_REQUIRED: use Release. With an outbox the outcome is on the disk when the first try
  // begins; RecordAsync, too, writes it before it returns.
  RecordAnswer Record(const Outcome& outcome);
  // The same, not blocking.
  void RecordAsync(const Outcome& outcome, Callback<RecordAnswer> callback);
  // Gives the lock back without a result. Answers where the key stands after it; if somebody else
  // has been granted it since, nothing was changed and the answer is how the key stands with them
  // (kHeld, or kCompleted with their result). Retried for AcquireOptions::record_timeout. Unless
  // unanswered, the lease is over.
  Answer<KeyStatus> Release(Effect effect);
  // The same, not blocking.
  void ReleaseAsync(Effect effect, Callback<Answer<KeyStatus>> callback);

 private:
  friend class internal::Run;
  void Drop();
};

}  // namespace latchkey::inline client
