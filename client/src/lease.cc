#include "latchkey/lease.h"

#include <utility>

#include "held_lease.h"

namespace latchkey::inline client {

using std::chrono::nanoseconds;

Attempt::Attempt(std::shared_ptr<internal::Connection> connection,
                 std::shared_ptr<internal::HeldLease> held)
    : connection_(std::move(connection)), held_(std::move(held)) {}
Attempt::Attempt(Attempt&&) noexcept = default;
Attempt& Attempt::operator=(Attempt&&) noexcept = default;
Attempt::~Attempt() = default;

const std::string& Attempt::key() const { return held_->name().key; }
std::uint64_t Attempt::fencing_token() const { return held_->grant().fencing_token; }
Mode Attempt::mode() const { return held_->grant().mode; }
RecoverAction Attempt::recover_action() const { return held_->Action(); }
std::uint32_t Attempt::attempt_number() const { return held_->grant().attempt_number; }
const std::string& Attempt::downstream_idempotency_key() const {
  return held_->grant().downstream_idempotency_key;
}
nanoseconds Attempt::downstream_key_remaining() const { return held_->DownstreamKeyRemaining(); }
std::string Attempt::checkpoint() const { return held_->Checkpoint(); }
const std::string& Attempt::previous_holder_id() const { return held_->grant().previous_holder_id; }
nanoseconds Attempt::doubt_age() const { return held_->DoubtAge(); }
const std::vector<LateOutcome>& Attempt::late_outcomes() const {
  return held_->grant().late_outcomes;
}

LeaseState Attempt::state() const { return held_->State(); }
std::string Attempt::state_reason() const { return held_->StateReason(); }
BootClock::time_point Attempt::safe_until() const { return held_->SafeUntil(); }
nanoseconds Attempt::remaining() const { return held_->Remaining(); }

Answer<nanoseconds> Attempt::Renew(std::optional<nanoseconds> lease_duration) {
  return held_->Renew({.lease_duration = lease_duration});
}
Answer<nanoseconds> Attempt::MarkEffectStarted() { return held_->Renew({.effect_started = true}); }
Answer<nanoseconds> Attempt::SaveCheckpoint(std::string_view checkpoint) {
  return held_->Renew({.checkpoint = std::string(checkpoint)});
}

Lease::Lease(std::shared_ptr<internal::Connection> connection,
             std::shared_ptr<internal::HeldLease> held)
    : Attempt(std::move(connection), std::move(held)) {}
Lease::Lease(Lease&&) noexcept = default;
Lease& Lease::operator=(Lease&& other) noexcept {
  if (this == &other) return *this;
  if (held_ != nullptr) held_->Drop();
  Attempt::operator=(std::move(other));
  return *this;
}
Lease::~Lease() {
  if (held_ != nullptr) held_->Drop();
}

RecordAnswer Lease::Record(const Outcome& outcome) { return held_->Record(outcome); }
Answer<KeyStatus> Lease::Release(Effect effect) { return held_->Release(effect); }

}  // namespace latchkey::inline client
