#include "held_lease.h"

#include <algorithm>
#include <array>
#include <utility>

namespace latchkey::inline client::internal {
namespace {

using std::chrono::nanoseconds;

// How long a dropped guard may hold up its thread.
constexpr std::chrono::seconds kDropBound(1);

// The refusals that say that this token holds nothing any more. Others (a bad argument, expired
// credentials) say nothing about the lease.
bool EndsLease(const Error& error) {
  constexpr std::array kReasons = {"STALE_FENCING_TOKEN", "LEASE_EXPIRED", "ALREADY_COMPLETED",
                                   "KEY_UNKNOWN"};
  return error.kind == Error::Kind::kRefused &&
         std::any_of(kReasons.begin(), kReasons.end(),
                     [&](const char* reason) { return error.reason == reason; });
}

std::string Describe(const Error& error) {
  if (error.reason.empty()) return "RENEWAL_FAILED: " + error.message;
  return error.reason + ": " + error.message;
}

}  // namespace

std::shared_ptr<HeldLease> HeldLease::Start(std::shared_ptr<Connection> connection, KeyName name,
                                            AcquireOptions options, Grant grant) {
  std::shared_ptr<HeldLease> held(
      new HeldLease(std::move(connection), std::move(name), std::move(options), std::move(grant)));
  held->BeginRenewing();
  return held;
}

HeldLease::HeldLease(std::shared_ptr<Connection> connection, KeyName name, AcquireOptions options,
                     Grant grant)
    : connection_(std::move(connection)),
      name_(std::move(name)),
      options_(std::move(options)),
      grant_(std::move(grant)),
      granted_at_(Now()),
      safe_until_(grant_.validity.safe_until),
      checkpoint_(grant_.checkpoint),
      backoff_(options_.lease_duration / 100, options_.lease_duration / 10) {}

LeaseState HeldLease::State() {
  MutexLock lock(mutex_);
  if (IsLost()) return LeaseState::kLost;
  return IsOverdue() || !trouble_.empty() ? LeaseState::kUncertain : LeaseState::kHeld;
}

std::string HeldLease::StateReason() {
  MutexLock lock(mutex_);
  if (IsLost()) return lost_reason_;
  if (!trouble_.empty()) return trouble_;
  return IsOverdue() ? "RENEWAL_OVERDUE" : "";
}

BootClock::time_point HeldLease::SafeUntil() {
  MutexLock lock(mutex_);
  return safe_until_;
}

nanoseconds HeldLease::Remaining() {
  MutexLock lock(mutex_);
  return IsLost() ? nanoseconds(0) : safe_until_ - Now();
}

std::string HeldLease::Checkpoint() {
  MutexLock lock(mutex_);
  return checkpoint_;
}

nanoseconds HeldLease::DownstreamKeyRemaining() {
  const nanoseconds passed = Now() - grant_.validity.sent_at;
  return std::max(grant_.downstream_key_remaining - passed, nanoseconds(0));
}

RecoverAction HeldLease::Action() {
  const bool too_late = grant_.recover_action == RecoverAction::kResendSameKey &&
                        DownstreamKeyRemaining() == nanoseconds(0);
  return too_late ? RecoverAction::kQueryOnly : grant_.recover_action;
}

nanoseconds HeldLease::DoubtAge() {
  if (grant_.mode == Mode::kExecute) return nanoseconds(0);
  return grant_.doubt_age + (Now() - granted_at_);
}

Answer<nanoseconds> HeldLease::Renew(Renewal renewal) {
  RenewCall call{.name = name_,
                 .fencing_token = grant_.fencing_token,
                 .deadline = {},
                 .rule = RetryRule::kBroken,
                 .lease_duration = renewal.lease_duration,
                 .effect_started = renewal.effect_started,
                 .checkpoint = renewal.checkpoint};
  {
    MutexLock lock(mutex_);
    if (IsLost()) return LostError();
    call.deadline = safe_until_;
  }
  const auto answer = Await<Answer<Validity>>(*connection_->runtime(), [&](auto callback) {
    connection_->RenewLease(std::move(call), std::move(callback));
  });
  MutexLock lock(mutex_);
  if (IsLost()) return LostError();
  if (!answer.ok()) {
    if (EndsLease(answer.error())) Lose(answer.error().reason);
    return answer.error();
  }
  if (renewal.checkpoint) checkpoint_ = *renewal.checkpoint;
  Extend(*answer);
  return safe_until_ - Now();
}

RecordAnswer HeldLease::Record(const Outcome& outcome) {
  if (!outcome.is_final()) {
    return {.status = RecordAnswer::Status::kUnrecorded,
            .error = Error{.kind = Error::Kind::kRefused,
                           .reason = "OUTCOME_REQUIRED",
                           .message = "only Succeeded and Rejected can be recorded; use Release"}};
  }
  RecordCall call{name_, grant_.fencing_token, Now() + options_.record_timeout, outcome};
  auto answer = Await<Answer<StoredResult>>(*connection_->runtime(), [&](auto callback) {
    connection_->RecordResult(std::move(call), std::move(callback));
  });
  if (answer.ok()) {
    End("RECORDED");
    return {.status = RecordAnswer::Status::kRecorded, .stored = std::move(answer.value())};
  }
  const Error& error = answer.error();
  const bool superseded =
      error.kind == Error::Kind::kRefused &&
      (error.reason == "STALE_FENCING_TOKEN" || error.reason == "RESULT_CONFLICT");
  if (!superseded) return {.status = RecordAnswer::Status::kUnrecorded, .error = error};
  End(error.reason);
  RecordAnswer result{.status = RecordAnswer::Status::kSuperseded, .error = error};
  const Answer<KeyStatus> status = Check(options_.wait_timeout);
  if (status.ok()) result.stored = status->result;
  return result;
}

Answer<KeyStatus> HeldLease::Release(Effect effect) {
  ReleaseCall call{name_, grant_.fencing_token, Now() + options_.record_timeout, effect};
  const auto answer = Await<Answer<KeyStatus::State>>(*connection_->runtime(), [&](auto callback) {
    connection_->Release(std::move(call), std::move(callback));
  });
  if (answer.ok()) {
    End("RELEASED");
    return KeyStatus{.state = *answer};
  }
  const Error& error = answer.error();
  if (error.kind == Error::Kind::kRefused) End(error.reason);
  if (error.reason != "STALE_FENCING_TOKEN") return error;
  // Somebody else has been granted the key: there is nothing left to give back.
  Answer<KeyStatus> status = Check(nanoseconds(0));
  return status.ok() ? status : KeyStatus{.state = KeyStatus::State::kHeld};
}

void HeldLease::Drop() {
  ReleaseCall call{name_, grant_.fencing_token, {}, Effect::kUnknown};
  {
    MutexLock lock(mutex_);
    // Past safe_until the service does the same by itself.
    if (IsLost()) return;
    Lose("RELEASED");
    call.deadline = safe_until_;
  }
  auto released = std::make_shared<Event>();
  connection_->Release(std::move(call),
                       [released](const Answer<KeyStatus::State>&) { released->Set(); });
  connection_->runtime()->Wait(*released, Now() + kDropBound);
}

bool HeldLease::IsLost() {
  if (lost_reason_.empty() && Now() >= safe_until_) Lose("SAFE_UNTIL_REACHED");
  return !lost_reason_.empty();
}

bool HeldLease::IsOverdue() { return Now() >= safe_until_ - options_.lease_duration / 3; }

void HeldLease::Lose(const std::string& reason) {
  if (!lost_reason_.empty()) return;
  lost_reason_ = reason;
  connection_->runtime()->Cancel(timer_);
}

void HeldLease::End(const std::string& reason) {
  MutexLock lock(mutex_);
  Lose(reason);
}

void HeldLease::Extend(const Validity& validity) {
  safe_until_ = std::max(safe_until_, validity.safe_until);
  trouble_.clear();
  backoff_.Reset();
}

BootClock::time_point HeldLease::RenewalDue() {
  // When a third of the lease is gone; a little earlier, so that leases taken together drift apart.
  const nanoseconds lease = options_.lease_duration;
  const auto spread = static_cast<std::uint64_t>(std::max<nanoseconds::rep>(lease.count() / 30, 1));
  const nanoseconds early(connection_->runtime()->Random() % spread);
  return safe_until_ - lease * 2 / 3 - early;
}

void HeldLease::BeginRenewing() {
  MutexLock lock(mutex_);
  ScheduleRenewal(RenewalDue());
}

void HeldLease::ScheduleRenewal(BootClock::time_point when) {
  // At safe_until_ at the latest, so that the loss is noticed then.
  timer_ = connection_->runtime()->RunAt(
      std::min(when, safe_until_), [self = shared_from_this()] { self->RenewInBackground(); });
}

void HeldLease::RenewInBackground() {
  {
    MutexLock lock(mutex_);
    if (IsLost()) return;
  }
  connection_->RenewLease(
      {.name = name_,
       .fencing_token = grant_.fencing_token,
       .deadline = Now() + options_.lease_duration / 3,
       .rule = RetryRule::kNever},
      [self = shared_from_this()](const Answer<Validity>& answer) { self->OnRenewed(answer); });
}

void HeldLease::OnRenewed(const Answer<Validity>& answer) {
  MutexLock lock(mutex_);
  if (IsLost()) return;
  if (answer.ok()) {
    Extend(*answer);
    // Not at once, however little the answer promised.
    ScheduleRenewal(std::max(RenewalDue(), Now() + options_.lease_duration / 10));
  } else if (EndsLease(answer.error())) {
    Lose(answer.error().reason);
  } else {
    trouble_ = Describe(answer.error());
    ScheduleRenewal(Now() + backoff_.Next(connection_->runtime()->Random()));
  }
}

Error HeldLease::LostError() {
  return {.kind = Error::Kind::kRefused,
          .reason = lost_reason_,
          .message = "the lease on " + name_.key + " is lost: " + lost_reason_};
}

Answer<KeyStatus> HeldLease::Check(nanoseconds wait_timeout) {
  CheckCall call{name_,
                 {.fingerprint = options_.fingerprint,
                  .first_sent_at = options_.first_sent_at,
                  .wait_timeout = wait_timeout,
                  .timeout = options_.acquire_timeout}};
  return Await<Answer<KeyStatus>>(*connection_->runtime(), [&](auto callback) {
    connection_->CheckResult(std::move(call), std::move(callback));
  });
}

}  // namespace latchkey::inline client::internal
