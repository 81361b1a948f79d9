#include "latchkey/lease.h"

#include <utility>

#include "core.h"
#include "held_lease.h"

namespace latchkey::inline client {

using internal::HeldLease;
using std::chrono::nanoseconds;

Attempt::Attempt(std::shared_ptr<internal::Core> core, std::shared_ptr<HeldLease> held)
    : core_(std::move(core)), held_(std::move(held)) {}
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
std::string Attempt::checkpoint() const {
  return core_->forked() ? held_->grant().checkpoint : held_->Checkpoint();
}
const std::string& Attempt::previous_holder_id() const { return held_->grant().previous_holder_id; }
nanoseconds Attempt::doubt_age() const { return held_->DoubtAge(); }
const std::vector<LateOutcome>& Attempt::late_outcomes() const {
  return held_->grant().late_outcomes;
}

// After a fork the lease's mutex may be locked for ever, so these ask without it.
LeaseState Attempt::state() const { return core_->forked() ? LeaseState::kLost : held_->State(); }
std::string Attempt::state_reason() const {
  return core_->forked() ? internal::AfterFork().reason : held_->StateReason();
}
BootClock::time_point Attempt::safe_until() const {
  return core_->forked() ? held_->grant().validity.sent_at : held_->SafeUntil();
}
nanoseconds Attempt::remaining() const {
  return core_->forked() ? nanoseconds(0) : held_->Remaining();
}
void Attempt::OnLost(Callback<std::string> callback) {
  auto lost = internal::On<std::string>(core_->executor(), std::move(callback));
  if (core_->forked()) return lost(state_reason());
  held_->OnLost(std::move(lost));
}
std::stop_token Attempt::stop_token() const { return held_->options().stop; }

namespace {

HeldLease::Renewal Longer(std::optional<nanoseconds> lease_duration) {
  return {.lease_duration = lease_duration};
}
HeldLease::Renewal Marked() { return {.effect_started = true}; }
HeldLease::Renewal With(std::string_view checkpoint) {
  return {.checkpoint = std::string(checkpoint)};
}

Answer<nanoseconds> Ask(const internal::Core& core, HeldLease& held, HeldLease::Renewal renewal) {
  return core.Await<Answer<nanoseconds>>(
      [&](auto done) { held.Renew(std::move(renewal), std::move(done)); });
}

void Ask(const internal::Core& core, HeldLease& held, HeldLease::Renewal renewal,
         Callback<Answer<nanoseconds>> callback) {
  core.Go(std::move(callback), [&](auto done) { held.Renew(std::move(renewal), std::move(done)); });
}

}  // namespace

Answer<nanoseconds> Attempt::Renew(std::optional<nanoseconds> lease_duration) {
  return Ask(*core_, *held_, Longer(lease_duration));
}
Answer<nanoseconds> Attempt::MarkEffectStarted() { return Ask(*core_, *held_, Marked()); }
Answer<nanoseconds> Attempt::SaveCheckpoint(std::string_view checkpoint) {
  return Ask(*core_, *held_, With(checkpoint));
}
void Attempt::RenewAsync(std::optional<nanoseconds> lease_duration,
                         Callback<Answer<nanoseconds>> callback) {
  Ask(*core_, *held_, Longer(lease_duration), std::move(callback));
}
void Attempt::MarkEffectStartedAsync(Callback<Answer<nanoseconds>> callback) {
  Ask(*core_, *held_, Marked(), std::move(callback));
}
void Attempt::SaveCheckpointAsync(std::string_view checkpoint,
                                  Callback<Answer<nanoseconds>> callback) {
  Ask(*core_, *held_, With(checkpoint), std::move(callback));
}

Lease::Lease(std::shared_ptr<internal::Core> core, std::shared_ptr<HeldLease> held)
    : Attempt(std::move(core), std::move(held)) {}
Lease::Lease(Lease&&) noexcept = default;
Lease& Lease::operator=(Lease&& other) noexcept {
  if (this == &other) return *this;
  Drop();
  Attempt::operator=(std::move(other));
  return *this;
}
Lease::~Lease() { Drop(); }

void Lease::Drop() {
  using Released = Answer<KeyStatus::State>;
  if (held_ == nullptr || core_->forked()) return;
  if (internal::LibraryThread::IsThis()) return held_->Drop([](const Released&) {});
  (void)core_->Await<Released>([&](auto done) { held_->Drop(std::move(done)); });
}

RecordAnswer Lease::Record(const Outcome& outcome) {
  return core_->Await<RecordAnswer>([&](auto done) { held_->Record(outcome, std::move(done)); });
}
void Lease::RecordAsync(const Outcome& outcome, Callback<RecordAnswer> callback) {
  core_->Go(std::move(callback), [&](auto done) { held_->Record(outcome, std::move(done)); });
}
Answer<KeyStatus> Lease::Release(Effect effect) {
  return core_->Await<Answer<KeyStatus>>(
      [&](auto done) { held_->Release(effect, std::move(done)); });
}
void Lease::ReleaseAsync(Effect effect, Callback<Answer<KeyStatus>> callback) {
  core_->Go(std::move(callback), [&](auto done) { held_->Release(effect, std::move(done)); });
}

}  // namespace latchkey::inline client
