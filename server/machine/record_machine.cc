#include "server/machine/record_machine.h"

#include <algorithm>

#include "base/mutant.h"
#include "latchkey/v1/coordination.pb.h"
#include "server/machine/downstream_key.h"
#include "server/machine/proto_time.h"
#include "server/machine/refusals.h"
#include "server/machine/results.h"
#include "server/machine/transitions.h"

namespace latchkey {
namespace {

// When to ask again about a key in doubt: somebody has to look into it, so not at once.
constexpr Duration kRetryInDoubt = std::chrono::seconds(1);

// Where both sides gave a fingerprint they must be the same (rule 9).
bool FingerprintDiffers(const KeyState& key, const std::string& fingerprint) {
  if (StateOf(key) == State::ABSENT || fingerprint.empty()) return false;
  if (Mutated(Mutant::kFingerprintIgnored) && StateOf(key) == State::HELD) return false;
  return !key.record->fingerprint().empty() && key.record->fingerprint() != fingerprint;
}

// A completed key answers no more once its retention has passed, although it is kept a day longer.
bool PastKeyRetention(const Record& record, const Context& context) {
  return record.state() == State::COMPLETED &&
         WallTimeFromNanos(record.state_since_nanos()) + context.settings->key_retention <=
             context.now.retention;
}

// Whether an absent key may have been completed and forgotten (rule 16).
template <class Request>
bool TooLate(const Request& request, const Context& context) {
  if (!request.has_first_sent_at()) return false;
  const auto sent = FromProto(request.first_sent_at());
  const WallTime horizon =
      std::max(context.horizon, context.now.retention - context.settings->key_retention);
  return sent.has_value() && *sent <= horizon;
}

// Whether an absent key may have been worked on between a backup and its restore (rule 17).
bool MayBeForgotten(const v1::AcquireLockRequest& request, const Context& context) {
  if (!context.restore.in_doubt) return false;
  const auto sent = request.has_first_sent_at() ? FromProto(request.first_sent_at()) : std::nullopt;
  return !sent.has_value() || *sent <= context.restore.at;
}

// Counted so that no ttl, however long, runs over the end of time.
Duration DownstreamKeyRemaining(const Record& record, const Context& context) {
  const Duration age = context.now.latest - WallTimeFromNanos(record.created_at_nanos());
  return std::max(Duration(record.downstream_key_ttl_nanos()) - age, Duration::zero());
}

// Above zero and at most what is left of the lease, if anything is.
Duration RetryAfter(const KeyState& key, const Context& context) {
  if (StateOf(key) != State::HELD) return kRetryInDoubt;
  const Duration left = key.lease_deadline - context.now.monotonic;
  return left > Duration::zero() ? left : std::chrono::milliseconds(1);
}

void FillGrant(const KeyState& key, const Context& context, bool replayed,
               v1::AcquireLockResponse* response) {
  const Record& record = *key.record;
  auto& grant = *response->mutable_grant();
  grant.set_fencing_token(record.fencing_token());
  grant.set_mode(record.token_seen() ? v1::Grant::RECOVER : record.mode());
  const Duration remaining = DownstreamKeyRemaining(record, context);
  if (grant.mode() == v1::Grant::RECOVER) {
    grant.set_recover_action(remaining > Duration::zero() ? v1::Grant::RESEND_SAME_KEY
                                                          : v1::Grant::QUERY_ONLY);
    if (record.doubt_since_nanos() != 0) {
      const WallTime since =
          std::max(WallTimeFromNanos(record.doubt_since_nanos()), context.now.steady_since);
      SetProto(std::max(context.now.retention - since, Duration::zero()),
               grant.mutable_doubt_age());
    }
  }
  SetProto(remaining, grant.mutable_downstream_key_remaining());
  grant.set_downstream_idempotency_key(DownstreamIdempotencyKey(context.name_space, context.key));
  if (Mutated(Mutant::kFreshDownstreamKey)) {
    grant.mutable_downstream_idempotency_key()->append(std::to_string(record.attempt_number()));
  }
  grant.set_attempt_number(record.attempt_number());
  grant.set_checkpoint(record.checkpoint());
  grant.set_previous_holder_id(record.previous_holder_id());
  *grant.mutable_late_outcomes() = record.late_outcomes();
  grant.set_replayed(replayed);
}

Step GrantLock(KeyState& key, const v1::AcquireLockRequest& request, v1::Grant::Mode mode,
               const Context& context, v1::AcquireLockResponse* response) {
  Step step;
  if (StateOf(key) == State::IN_DOUBT && key.record->attempt_id() != request.attempt_id()) {
    step.ended_attempt = key.record->attempt_id();
  }
  ToHeld(key, request, mode, context);
  FillGrant(key, context, /*replayed=*/false, response);
  step.durable = true;
  step.granted = true;
  step.lease_deadline = key.lease_deadline;
  return step;
}

// On a shared store a renewal is written, so that no other process takes the lease for over.
void CountRenewal(KeyState& key, Step& step) {
  key.record->set_renewals(key.record->renewals() + 1);
  key.lease_elsewhere = false;
  step.durable = true;
}

// Where it is not known how much of the lease is left, it is renewed: less must not be promised
// than was, and more must be known to all.
Step ReplayGrant(KeyState& key, const Context& context, v1::AcquireLockResponse* response) {
  Step step;
  if (key.lease_elsewhere) {
    key.lease_deadline = std::max(
        key.lease_deadline, context.now.monotonic + Duration(key.record->promised_lease_nanos()));
    CountRenewal(key, step);
  }
  FillGrant(key, context, /*replayed=*/true, response);
  step.lease_deadline = key.lease_deadline;
  return step;
}

Step Contend(const KeyState& key, const v1::AcquireLockRequest& request, const Context& context,
             v1::AcquireLockResponse* response) {
  auto& contention = *response->mutable_contention();
  // Of an absent key after a restore nobody knows who held it.
  if (StateOf(key) != State::ABSENT) contention.set_holder_id(key.record->holder_id());
  SetProto(RetryAfter(key, context), contention.mutable_retry_after());
  contention.set_queue_position(context.waiters + 1);
  contention.set_waiters(context.waiters);
  contention.set_in_doubt(StateOf(key) != State::HELD);
  Step step;
  step.wait = FromProto(request.wait_timeout()).value_or(Duration::zero()) > Duration::zero();
  return step;
}

Step AnswerCompleted(const KeyState& key, const Context& context,
                     v1::AcquireLockResponse* response) {
  const Record& record = *key.record;
  auto& completed = *response->mutable_completed();
  ShowResult(record, context, /*with_payload=*/true, completed.mutable_result());
  SetProto(PayloadRemaining(record, context.now.retention), completed.mutable_body_expires_in());
  const WallTime end =
      WallTimeFromNanos(record.state_since_nanos()) + context.settings->key_retention;
  SetProto(end - context.now.retention, completed.mutable_key_expires_in());
  return {};
}

// Whether bytes, and not only new records, are what there are too many of (rule 14).
bool NoRoomForBytes(const Context& context) {
  return context.creation_refusal == v1::Refusal::STORAGE_FULL ||
         (context.creation_refusal == v1::Refusal::QUOTA_EXCEEDED && context.quota.has_value() &&
          context.quota->of_bytes);
}

bool HoldsLive(const KeyState& key, const v1::AcquireLockRequest& request) {
  return StateOf(key) == State::HELD && key.record->attempt_id() == request.attempt_id() &&
         key.record->holder_id() == request.holder_id();
}

// A call has carried the newest token: its holder knows of the grant (rule 5).
bool SeeToken(Record& record) {
  if (record.token_seen()) return false;
  record.set_token_seen(true);
  return true;
}

// Nobody can have a token that was never issued, so what comes with one is invented.
bool WasIssued(std::uint64_t token, const Context& context) {
  return token <= context.highest_token;
}

Report ReportOf(const v1::RecordResultRequest& request) {
  return {request.outcome(), request.code(), request.provider_reference(), request.content_type(),
          request.payload()};
}

Duration PayloadRetention(const v1::RecordResultRequest& request, const Context& context) {
  if (!request.has_retention()) return context.settings->payload_retention;
  // What does not fit is "for ever", and clamped like any other length.
  const Duration for_ever = request.retention().seconds() > 0 ? Duration::max() : Duration::zero();
  const Duration asked = FromProto(request.retention()).value_or(for_ever);
  return std::clamp(asked, Duration::zero(), context.settings->key_retention);
}

Step RefuseReport(KeyState& key, const v1::RecordResultRequest& request, Refusal refusal,
                  const Context& context) {
  Step step = Refuse(std::move(refusal));
  if (!WasIssued(request.fencing_token(), context)) return step;
  Record& record = *key.record;
  step.late_outcome_kept =
      KeepLateOutcome(ReportOf(request), request.fencing_token(), context, record);
  if (!step.late_outcome_kept) return step;
  step.durable = true;
  Suspect(record, step);
  // One too many is heard, too, before it is dropped.
  auto& kept = *record.mutable_late_outcomes();
  if (static_cast<std::size_t>(kept.size()) > context.limits->late_outcomes) kept.RemoveLast();
  return step;
}

v1::ReleaseRequest::Effect EffectOf(const v1::ReleaseRequest& request, const Record& record) {
  if (request.effect() != v1::ReleaseRequest::EFFECT_UNSPECIFIED) return request.effect();
  const bool untouched = record.mode() == v1::Grant::EXECUTE && !record.effect_started();
  return untouched ? v1::ReleaseRequest::NOT_EXECUTED : v1::ReleaseRequest::UNKNOWN;
}

// Whether a release with this effect ends the run; otherwise the key is in doubt.
bool EndsRun(v1::ReleaseRequest::Effect effect, const Record& record, const Context& context) {
  switch (effect) {
    case v1::ReleaseRequest::RUN_NOT_EXECUTED:
      return true;
    case v1::ReleaseRequest::NOT_EXECUTED:
      return record.mode() == v1::Grant::EXECUTE || Mutated(Mutant::kDoubtForgottenByRelease);
    default:  // UNKNOWN is harmless only for a plain mutex
      return record.on_lapse() == v1::AcquireLockRequest::FORGET &&
             LapseIsForgotten(record, context);
  }
}

// The attempt that holds the key gives it back, from HELD or from doubt.
Step GiveBack(KeyState& key, v1::ReleaseRequest::Effect effect, const Context& context) {
  Step step;
  step.ended_attempt = key.record->attempt_id();
  if (EndsRun(effect, *key.record, context)) {
    ToAbsent(key, context);
    step.durable = true;
  } else if (key.record->state() == State::HELD) {
    ToDoubt(*key.record, context);
    step.durable = true;
  }
  return step;
}

Step ReleaseByAttempt(KeyState& key, const std::string& attempt_id, const Context& context) {
  const bool holds = StateOf(key) == State::HELD && key.record->attempt_id() == attempt_id;
  if (holds && key.record->token_seen()) return {};  // the grant is in use: only its token ends it
  if (holds) return GiveBack(key, v1::ReleaseRequest::NOT_EXECUTED, context);
  Step step;
  step.ended_attempt = attempt_id;
  return step;
}

Step ReleaseByToken(KeyState& key, const v1::ReleaseRequest& request, const Context& context) {
  const std::uint64_t token = request.fencing_token();
  const State::State state = StateOf(key);
  if (state == State::ABSENT) {
    return WasIssued(token, context) ? Step() : Refuse(KeyUnknown());
  }
  if (token != key.record->fencing_token() && !Mutated(Mutant::kReleaseWithoutToken)) {
    return Refuse(StaleFencingToken(token, *key.record));
  }
  if (state == State::COMPLETED) return {};
  if (state == State::IN_DOUBT && request.effect() == v1::ReleaseRequest::EFFECT_UNSPECIFIED) {
    return {};
  }
  return GiveBack(key, EffectOf(request, *key.record), context);
}

}  // namespace

Step Decide(KeyState& key, const v1::AcquireLockRequest& request, const Context& context,
            v1::AcquireLockResponse* response) {
  Forget(key, context);
  if (FingerprintDiffers(key, request.fingerprint())) return Refuse(FingerprintMismatch());
  const State::State state = StateOf(key);
  if (state == State::COMPLETED) {
    if (PastKeyRetention(*key.record, context)) return Refuse(KeyExpired(context));
    return AnswerCompleted(key, context, response);
  }
  if (HoldsLive(key, request)) {
    if (!Mutated(Mutant::kReplayGrantsTwice)) return ReplayGrant(key, context, response);
    return GrantLock(key, request, v1::Grant::EXECUTE, context, response);
  }
  if (context.attempt_ended) return Refuse(AttemptEnded(request.attempt_id()));
  if (state == State::ABSENT) {
    if (TooLate(request, context)) return Refuse(KeyExpired(context));
    if (context.creation_refusal != v1::Refusal::REASON_UNSPECIFIED) {
      return Refuse(CreationRefused(context.creation_refusal, context));
    }
    if (!MayBeForgotten(request, context)) {
      return GrantLock(key, request, v1::Grant::EXECUTE, context, response);
    }
  }
  if (state != State::HELD && request.accept_recover()) {
    const bool again = Mutated(Mutant::kRecoverAsExecute);
    return GrantLock(key, request, again ? v1::Grant::EXECUTE : v1::Grant::RECOVER, context,
                     response);
  }
  return Contend(key, request, context, response);
}

Step Decide(KeyState& key, const v1::RenewLeaseRequest& request, const Context& context,
            v1::RenewLeaseResponse*) {
  Forget(key, context);
  const State::State state = StateOf(key);
  if (state == State::ABSENT) return Refuse(KeyUnknown());
  Record& record = *key.record;
  if (request.fencing_token() != record.fencing_token()) {
    return Refuse(StaleFencingToken(request.fencing_token(), record));
  }
  if (state == State::IN_DOUBT) {
    if (!Mutated(Mutant::kRenewalRevives)) return Refuse(LeaseExpired(record));
    record.set_state(State::HELD);
  }
  if (state == State::COMPLETED) return Refuse(AlreadyCompleted(record));

  Step step;
  step.durable = SeeToken(record);
  if (request.checkpoint().size() > record.checkpoint().size() && NoRoomForBytes(context)) {
    step.refusal = CreationRefused(context.creation_refusal, context);
    return step;
  }
  const Duration lease = request.has_lease_duration()
                             ? FromProto(request.lease_duration()).value_or(Duration::zero())
                             : Duration(record.granted_lease_nanos());
  key.lease_deadline = std::max(key.lease_deadline, context.now.monotonic + lease);
  key.stall_extension = Duration::zero();
  if (context.shared_store) CountRenewal(key, step);
  if (lease.count() > record.promised_lease_nanos() && !Mutated(Mutant::kLongerRenewalNotStored)) {
    record.set_promised_lease_nanos(lease.count());
    step.durable = true;
  }
  if (request.effect_started() && !record.effect_started()) {
    record.set_effect_started(true);
    step.durable = true;
  }
  if (request.has_checkpoint() && request.checkpoint() != record.checkpoint()) {
    record.set_checkpoint(request.checkpoint());
    step.durable = true;
  }
  step.lease_deadline = key.lease_deadline;
  return step;
}

Step Decide(KeyState& key, const v1::CheckResultRequest& request, const Context& context,
            v1::CheckResultResponse* response) {
  Forget(key, context);
  if (FingerprintDiffers(key, request.fingerprint())) return Refuse(FingerprintMismatch());
  const State::State state = StateOf(key);
  if (state == State::ABSENT && TooLate(request, context)) return Refuse(KeyExpired(context));
  Step step;
  response->set_state(state);
  if (state != State::ABSENT) {
    const Record& record = *key.record;
    if (PastKeyRetention(record, context)) return Refuse(KeyExpired(context));
    response->set_attempt_number(record.attempt_number());
    response->set_holder_id(record.holder_id());
    if (state == State::COMPLETED) {
      ShowResult(record, context, /*with_payload=*/true, response->mutable_result());
    } else {
      SetProto(RetryAfter(key, context), response->mutable_retry_after());
    }
  }
  step.wait = state != State::COMPLETED &&
              FromProto(request.wait_timeout()).value_or(Duration::zero()) > Duration::zero();
  return step;
}

Step Decide(KeyState& key, const v1::RecordResultRequest& request, const Context& context,
            v1::RecordResultResponse* response) {
  Forget(key, context);
  const State::State state = StateOf(key);
  const std::uint64_t token = request.fencing_token();
  if (state == State::ABSENT) {
    Step step = Refuse(KeyUnknown());
    if (WasIssued(token, context)) {
      step.late_outcome_kept = KeepOrphanedReport(key, ReportOf(request), token, context);
      step.durable = step.late_outcome_kept;
    }
    return step;
  }
  const Record& record = *key.record;
  if (token != record.fencing_token() && !Mutated(Mutant::kStaleResultAccepted)) {
    return RefuseReport(key, request, StaleFencingToken(token, record), context);
  }
  Step step;
  if (state == State::COMPLETED && !Mutated(Mutant::kCompletedOverwritten)) {
    if (!SameResult(ReportOf(request), record, *context.limits)) {
      return RefuseReport(key, request, ResultConflict(record), context);
    }
    response->set_already_recorded(true);
  } else {
    const bool late = state == State::IN_DOUBT;
    ToCompleted(key, ReportOf(request), PayloadRetention(request, context), late, context, step);
    step.durable = true;
  }
  response->set_late(record.result().late());
  ShowResult(record, context, /*with_payload=*/false, response->mutable_result());
  return step;
}

Step Decide(KeyState& key, const v1::ReleaseRequest& request, const Context& context,
            v1::ReleaseResponse* response) {
  Forget(key, context);
  Step step = request.fencing_token() != 0 ? ReleaseByToken(key, request, context)
                                           : ReleaseByAttempt(key, request.attempt_id(), context);
  response->set_state(StateOf(key));
  return step;
}

Step Lapse(KeyState& key, const Context& context) {
  Step step;
  step.durable = true;
  step.lapsed = true;
  step.lapsed_token = key.record->fencing_token();
  step.lapsed_started = key.record->effect_started();
  if (LapseIsForgotten(*key.record, context) || Mutated(Mutant::kDoubtForgottenByLapse)) {
    step.former_attempt = key.record->attempt_id();
    ToAbsent(key, context);
  } else {
    ToDoubt(*key.record, context);
  }
  return step;
}

Step UndoGrant(KeyState& key, std::uint64_t fencing_token, const Context& context) {
  const bool unused = StateOf(key) == State::HELD && key.record->fencing_token() == fencing_token &&
                      !key.record->token_seen();
  if (!unused) return {};
  Step step = GiveBack(key, v1::ReleaseRequest::NOT_EXECUTED, context);
  step.ended_attempt.clear();
  return step;
}

bool IsFree(const KeyState& key) {
  const State::State state = StateOf(key);
  return state == State::ABSENT || state == State::IN_DOUBT;
}

bool IsForgotten(const Record& record, const Limits& limits, const NamespaceSettings& settings,
                 WallTime retention_now) {
  if (Mutated(Mutant::kRetentionOffByOne)) retention_now += Duration(1);
  return record.state() == State::COMPLETED && WallTimeFromNanos(record.state_since_nanos()) +
                                                       settings.key_retention +
                                                       limits.key_retention_slack <=
                                                   retention_now;
}

bool IsReclaimable(const Record& record, const Limits& limits, const NamespaceSettings& settings,
                   WallTime retention_now) {
  const WallTime since = WallTimeFromNanos(record.state_since_nanos());
  if (record.state() == State::ABSENT) return since + limits.audit_retention <= retention_now;
  if (!IsForgotten(record, limits, settings, retention_now)) return false;
  const bool nothing_to_keep = record.audit().empty() && record.late_outcomes().empty();
  return nothing_to_keep ||
         since + settings.key_retention + limits.key_retention_slack + limits.audit_retention <=
             retention_now;
}

}  // namespace latchkey
