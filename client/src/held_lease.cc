#include "held_lease.h"

#include <algorithm>
#include <array>
#include <utility>

#include "once.h"

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

// The service has heard the outcome, and goes by another one.
bool IsSuperseded(const Error& error) {
  return error.kind == Error::Kind::kRefused &&
         (error.reason == "STALE_FENCING_TOKEN" || error.reason == "RESULT_CONFLICT");
}

std::string Describe(const Error& error) {
  if (error.reason.empty()) return "RENEWAL_FAILED: " + error.message;
  return error.reason + ": " + error.message;
}

}  // namespace

std::shared_ptr<HeldLease> HeldLease::Start(std::shared_ptr<Connection> connection,
                                            std::shared_ptr<Deliveries> deliveries, KeyName name,
                                            AcquireOptions options, Grant grant) {
  std::shared_ptr<HeldLease> held(new HeldLease(std::move(connection), std::move(deliveries),
                                                std::move(name), std::move(options),
                                                std::move(grant)));
  held->connection_->WatchLease(held->grant_.fencing_token,
                                [weak = std::weak_ptr(held)](const std::string& reason) {
                                  if (const auto self = weak.lock()) self->End(reason);
                                });
  held->BeginRenewing();
  return held;
}

HeldLease::HeldLease(std::shared_ptr<Connection> connection, std::shared_ptr<Deliveries> deliveries,
                     KeyName name, AcquireOptions options, Grant grant)
    : connection_(std::move(connection)),
      deliveries_(std::move(deliveries)),
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

void HeldLease::OnLost(Callback<std::string> callback) {
  MutexLock lock(mutex_);
  on_lost_.push_back(std::move(callback));
  if (IsLost() && !on_lost_.empty()) Tell(std::exchange(on_lost_, {}));
}

void HeldLease::Renew(Renewal renewal, Callback<Answer<nanoseconds>> callback) {
  RenewCall call{.name = name_,
                 .fencing_token = grant_.fencing_token,
                 .deadline = {},
                 .rule = RetryRule::kBroken,
                 .lease_duration = renewal.lease_duration,
                 .effect_started = renewal.effect_started,
                 .checkpoint = renewal.checkpoint};
  std::optional<Error> lost;
  {
    MutexLock lock(mutex_);
    if (IsLost()) lost = LostError();
    call.deadline = safe_until_;
  }
  if (lost) return callback(std::move(*lost));
  connection_->RenewLease(std::move(call),
                          [self = shared_from_this(), checkpoint = std::move(renewal.checkpoint),
                           callback = std::move(callback)](const Answer<Validity>& answer) {
                            callback(self->OnAsked(checkpoint, answer));
                          });
}

Answer<nanoseconds> HeldLease::OnAsked(const std::optional<std::string>& checkpoint,
                                       const Answer<Validity>& answer) {
  MutexLock lock(mutex_);
  if (IsLost()) return LostError();
  if (!answer.ok()) {
    if (EndsLease(answer.error())) Lose(answer.error().reason);
    return answer.error();
  }
  if (checkpoint) checkpoint_ = *checkpoint;
  Extend(*answer);
  return safe_until_ - Now();
}

void HeldLease::Record(const Outcome& outcome, Callback<RecordAnswer> callback) {
  if (!outcome.is_final()) {
    return callback(
        {.status = RecordAnswer::Status::kUnrecorded,
         .error = Error{.kind = Error::Kind::kRefused,
                        .reason = "OUTCOME_REQUIRED",
                        .message = "only Succeeded and Rejected can be recorded; use Release"}});
  }
  BeginEnding();
  const auto self = shared_from_this();
  deliveries_->Deliver(
      {name_, grant_.fencing_token, Now() + options_.record_timeout, outcome},
      [self, callback = std::move(callback)](Deliveries::Progress progress) {
        self->OnDelivered(std::move(progress), callback);
      },
      [self](const Answer<StoredResult>& answer) { self->Conclude(answer); });
}

void HeldLease::OnDelivered(Deliveries::Progress progress, const Callback<RecordAnswer>& callback) {
  if (!progress.goes_on) Conclude(progress.answer);
  if (progress.answer.ok()) {
    return callback(
        {.status = RecordAnswer::Status::kRecorded, .stored = std::move(progress.answer.value())});
  }
  const Error& error = progress.answer.error();
  if (!IsSuperseded(error)) {
    return callback({.status = RecordAnswer::Status::kUnrecorded,
                     .delivering = progress.goes_on,
                     .error = error});
  }
  Check(options_.wait_timeout, [error, callback](const Answer<KeyStatus>& status) {
    RecordAnswer result{.status = RecordAnswer::Status::kSuperseded, .error = error};
    if (status.ok()) result.stored = status->result;
    callback(std::move(result));
  });
}

void HeldLease::Conclude(const Answer<StoredResult>& answer) {
  if (answer.ok()) return End("RECORDED");
  const Error& error = answer.error();
  if (IsSuperseded(error) || EndsLease(error)) return End(error.reason);
  GiveUpEnding();
}

void HeldLease::Release(Effect effect, Callback<Answer<KeyStatus>> callback) {
  BeginEnding();
  connection_->Release(
      {name_, grant_.fencing_token, Now() + options_.record_timeout, effect},
      [self = shared_from_this(), callback = std::move(callback)](
          const Answer<KeyStatus::State>& answer) { self->OnReleased(answer, callback); });
}

void HeldLease::OnReleased(const Answer<KeyStatus::State>& answer,
                           const Callback<Answer<KeyStatus>>& callback) {
  if (answer.ok()) {
    End("RELEASED");
    return callback(KeyStatus{.state = *answer});
  }
  const Error& error = answer.error();
  if (error.kind == Error::Kind::kRefused) {
    End(error.reason);
  } else {
    GiveUpEnding();
  }
  if (error.reason != "STALE_FENCING_TOKEN") return callback(error);
  // Somebody else has been granted the key: there is nothing left to give back.
  Check(nanoseconds(0), [callback](Answer<KeyStatus> status) {
    callback(status.ok() ? std::move(status) : KeyStatus{.state = KeyStatus::State::kHeld});
  });
}

void HeldLease::BeginEnding() {
  MutexLock lock(mutex_);
  ++ending_;
}

void HeldLease::GiveUpEnding() {
  {
    MutexLock lock(mutex_);
    --ending_;
  }
  if (auto call = Abandon()) {
    connection_->Release(*std::move(call), [](const Answer<KeyStatus::State>&) {});
  }
}

std::optional<ReleaseCall> HeldLease::Abandon() {
  MutexLock lock(mutex_);
  // Past safe_until the service does the same by itself.
  if (!dropped_ || ending_ > 0 || IsLost()) return std::nullopt;
  Lose("RELEASED");
  return ReleaseCall{name_, grant_.fencing_token, safe_until_, Effect::kUnknown};
}

void HeldLease::Drop(Callback<Answer<KeyStatus::State>> callback) {
  std::vector<Callback<std::string>> forgotten;  // Destroyed without the lock.
  {
    MutexLock lock(mutex_);
    forgotten.swap(on_lost_);
    dropped_ = true;
  }
  const Error unanswered{.message = "nobody has confirmed yet that the lock is given back"};
  auto call = Abandon();
  if (!call) return callback(unanswered);
  const auto runtime = connection_->runtime();
  const Once<Answer<KeyStatus::State>> once(std::move(callback),
                                            [unanswered] { return unanswered; });
  const auto timer = runtime->RunAt(Now() + kDropBound, [once, unanswered] { once(unanswered); });
  connection_->Release(*std::move(call),
                       [once, runtime, timer](const Answer<KeyStatus::State>& answer) {
                         runtime->Cancel(timer);
                         once(answer);
                       });
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
  connection_->UnwatchLease(grant_.fencing_token);
  if (!on_lost_.empty()) Tell(std::exchange(on_lost_, {}));
}

void HeldLease::Tell(std::vector<Callback<std::string>> callbacks) {
  // In a task, because they are called, and destroyed, without the lock.
  connection_->runtime()->RunAt(Now(), [callbacks = std::move(callbacks), reason = lost_reason_] {
    if (reason == "RECORDED" || reason == "RELEASED") return;
    for (const auto& callback : callbacks) callback(reason);
  });
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
  return safe_until_ - lease * 2 / 3 - UpTo(lease / 30);
}

nanoseconds HeldLease::UpTo(nanoseconds longest) {
  const auto parts = static_cast<std::uint64_t>(std::max<nanoseconds::rep>(longest.count(), 1));
  return nanoseconds(connection_->runtime()->Random() % parts);
}

void HeldLease::BeginRenewing() {
  MutexLock lock(mutex_);
  // The first time up to half of that earlier: thousands taken at once are not renewed at once.
  ScheduleRenewal(RenewalDue() - UpTo(options_.lease_duration / 6));
}

void HeldLease::ScheduleRenewal(BootClock::time_point when) {
  // With others that are due at about the same time, so that one heartbeat renews them all.
  const nanoseconds grid = std::max(options_.lease_duration / 300, nanoseconds(1));
  const BootClock::time_point together = when - when.time_since_epoch() % grid;
  // At safe_until_ at the latest, so that the loss is noticed then.
  timer_ = connection_->runtime()->RunAt(
      std::min(together, safe_until_), [self = shared_from_this()] { self->RenewInBackground(); });
}

void HeldLease::RenewInBackground() {
  BootClock::time_point deadline;
  {
    MutexLock lock(mutex_);
    if (IsLost()) return;
    // Not past safe_until_: the loss is noticed then, and a later answer would change nothing.
    deadline = std::min(Now() + options_.lease_duration / 3, safe_until_);
  }
  connection_->RenewLease(
      {.name = name_,
       .fencing_token = grant_.fencing_token,
       .deadline = deadline,
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

void HeldLease::Check(nanoseconds wait_timeout, Callback<Answer<KeyStatus>> callback) {
  connection_->CheckResult({name_,
                            {.fingerprint = options_.fingerprint,
                             .first_sent_at = options_.first_sent_at,
                             .wait_timeout = wait_timeout,
                             .timeout = options_.acquire_timeout,
                             .stop = options_.stop}},
                           std::move(callback));
}

}  // namespace latchkey::inline client::internal
