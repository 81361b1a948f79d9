#include "testing/src/script.h"

#include <algorithm>
#include <utility>

#include "server/machine/downstream_key.h"

namespace latchkey::testing_internal {
namespace {

using testing::Execute;
using testing::Recover;
using testing::Unavailable;

// The result that `outcome` makes of its key.
StoredResult ToStored(const Outcome& outcome, std::uint64_t fencing_token, bool late) {
  const bool succeeded = outcome.kind() == Outcome::Kind::kSucceeded;
  const ResultFields& fields = outcome.fields();
  return {
      .outcome = succeeded ? StoredResult::Outcome::kSucceeded : StoredResult::Outcome::kRejected,
      .code = fields.code,
      .provider_reference = fields.provider_reference,
      .content_type = fields.content_type,
      .payload = fields.payload,
      .fencing_token = fencing_token,
      .late = late};
}

KeyStatus CompletedWith(StoredResult result) {
  return {.state = KeyStatus::State::kCompleted, .result = std::move(result)};
}

// As long as a test can take.
constexpr std::chrono::hours kLongLease(24 * 365);

}  // namespace

internal::AcquireReply Script::Acquire(const internal::AcquireCall& call, Time now) {
  MutexLock lock(mutex_);
  Key& key = keys_[call.name.key];
  key.asked.push_back({call.name.key_namespace, call.holder_id, call.options});
  if (unavailable_) return Unavailable();
  if (key.answers.empty()) return Unavailable("NOT_SCRIPTED");
  testing::AcquireScript answer = std::move(key.answers.front());
  key.answers.pop_front();
  if (std::holds_alternative<Execute>(answer)) {
    const auto window = call.options.downstream_key_ttl.value_or(std::chrono::nanoseconds(0));
    return MakeGrant(
        call, key,
        {.downstream_key_remaining = window, .attempt_number = 1, .previous_holder_id = ""},
        Mode::kExecute, now);
  }
  if (auto* recover = std::get_if<Recover>(&answer)) {
    return MakeGrant(call, key, *recover, Mode::kRecover, now);
  }
  if (auto* completed = std::get_if<Completed>(&answer)) {
    key.status = CompletedWith(completed->result);
    return std::move(*completed);
  }
  if (auto* contention = std::get_if<Contention>(&answer)) return std::move(*contention);
  return std::get<Error>(std::move(answer));
}

internal::Grant Script::MakeGrant(const internal::AcquireCall& call, Key& key, const Recover& given,
                                  Mode mode, Time now) {
  key.mode = mode;
  key.lease_duration =
      std::clamp<std::chrono::nanoseconds>(call.options.lease_duration, {}, kLongLease);
  key.lost_reason.clear();
  key.status = {.state = KeyStatus::State::kHeld,
                .retry_after = key.lease_duration,
                .attempt_number = given.attempt_number,
                .holder_id = call.holder_id};
  const bool resend = given.downstream_key_remaining > std::chrono::nanoseconds(0);
  RecoverAction action = resend ? RecoverAction::kResendSameKey : RecoverAction::kQueryOnly;
  if (mode == Mode::kExecute) action = RecoverAction::kNone;
  return {.fencing_token = ++last_token_,
          .mode = mode,
          .recover_action = action,
          .attempt_number = given.attempt_number,
          .validity = {.sent_at = now, .safe_until = now + key.lease_duration},
          .downstream_idempotency_key =
              DownstreamIdempotencyKey(call.name.key_namespace, call.name.key),
          .downstream_key_remaining = given.downstream_key_remaining,
          .checkpoint = given.checkpoint,
          .previous_holder_id = given.previous_holder_id,
          .doubt_age = given.doubt_age,
          .late_outcomes = given.late_outcomes};
}

Answer<internal::Validity> Script::Renew(const internal::RenewCall& call, Time now) {
  MutexLock lock(mutex_);
  Key& key = keys_[call.name.key];
  if (unavailable_) return Unavailable();
  if (!key.lost_reason.empty()) return testing::Refused(key.lost_reason);
  if (call.checkpoint) key.checkpoint = call.checkpoint;
  if (call.effect_started) key.effect_started = true;
  const auto duration = call.lease_duration.value_or(key.lease_duration);
  return internal::Validity{.sent_at = now, .safe_until = now + duration};
}

Answer<StoredResult> Script::Record(const internal::RecordCall& call) {
  MutexLock lock(mutex_);
  Key& key = keys_[call.name.key];
  key.recorded.push_back(call.outcome);
  if (unavailable_) return Unavailable();
  testing::RecordScript answer = testing::Recorded{};
  if (!key.record_answers.empty()) {
    answer = std::move(key.record_answers.front());
    key.record_answers.pop_front();
  }
  if (auto* error = std::get_if<Error>(&answer)) return std::move(*error);
  if (auto* superseded = std::get_if<testing::Superseded>(&answer)) {
    key.status = superseded->by ? CompletedWith(superseded->by->result)
                                : KeyStatus{.state = KeyStatus::State::kHeld};
    return testing::Refused("STALE_FENCING_TOKEN");
  }
  const bool late = std::holds_alternative<testing::RecordedLate>(answer);
  key.status = CompletedWith(ToStored(call.outcome, call.fencing_token, late));
  return *key.status.result;
}

Answer<KeyStatus::State> Script::Release(const internal::ReleaseCall& call) {
  MutexLock lock(mutex_);
  Key& key = keys_[call.name.key];
  key.released.push_back(call.effect);
  if (unavailable_) return Unavailable();
  const bool ends_doubt = call.effect == Effect::kRunNotExecuted ||
                          (call.effect == Effect::kNotExecuted && key.mode == Mode::kExecute);
  key.status = {.state = ends_doubt ? KeyStatus::State::kAbsent : KeyStatus::State::kInDoubt};
  return key.status.state;
}

Answer<KeyStatus> Script::Check(const internal::CheckCall& call) {
  MutexLock lock(mutex_);
  if (unavailable_) return Unavailable();
  return keys_[call.name.key].status;
}

Answer<std::string> Script::Issue() {
  MutexLock lock(mutex_);
  if (unavailable_) return Unavailable();
  return "issued-" + std::to_string(++last_issued_);
}

void Script::SetUnavailable(bool unavailable) {
  MutexLock lock(mutex_);
  unavailable_ = unavailable;
}

std::shared_ptr<StillRuntime> Script::MakeRuntime() {
  MutexLock lock(mutex_);
  auto runtime = std::make_shared<StillRuntime>(now_);
  runtimes_.push_back(runtime);
  return runtime;
}

void Script::AdvanceTime(std::chrono::nanoseconds by) {
  std::vector<std::weak_ptr<StillRuntime>> runtimes;
  {
    MutexLock lock(mutex_);
    now_ += by;
    std::erase_if(runtimes_, [](const auto& runtime) { return runtime.expired(); });
    runtimes = runtimes_;
  }
  for (const auto& weak : runtimes) {
    if (const auto runtime = weak.lock()) runtime->Advance(by);
  }
}

}  // namespace latchkey::testing_internal
