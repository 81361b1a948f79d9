// What operators may do to a record. Part of record_machine.h.

#include <algorithm>

#include "latchkey/v1/admin.pb.h"
#include "server/machine/downstream_key.h"
#include "server/machine/proto_time.h"
#include "server/machine/record_machine.h"
#include "server/machine/refusals.h"
#include "server/machine/results.h"
#include "server/machine/transitions.h"

namespace latchkey {
namespace {

constexpr char kResolveOutcome[] = "ResolveOutcome";
constexpr char kForceRelease[] = "ForceRelease";
constexpr char kDeleteRecord[] = "DeleteRecord";

// An admin call on an absent key may be the repetition of one that freed it.
Step AnswerAbsent(std::uint64_t token, const Context& context) {
  return token <= context.highest_token ? Step() : Refuse(KeyUnknown());
}

// Puts an entry into the record, and gives it to the step.
template <class Request>
void Audit(Record& record, const Request& request, const char* action, std::string detail,
           const Context& context, Step& step) {
  v1::AuditEntry entry;
  entry.set_action(action);
  entry.set_actor(request.actor());
  entry.set_reason(request.reason());
  SetProto(context.now.retention, entry.mutable_at());
  entry.set_fencing_token(request.expected_fencing_token());
  entry.set_detail(std::move(detail));
  step.audited = entry;
  Audit(record, std::move(entry), *context.limits);
}

std::string Arrow(State::State from, std::string_view to) {
  return State::State_Name(from) + " -> " + std::string(to);
}

std::string DetailOf(const v1::ResolveOutcomeRequest& request) {
  if (request.outcome() == v1::ResolveOutcomeRequest::NOT_EXECUTED) {
    return Arrow(State::IN_DOUBT, "ABSENT NOT_EXECUTED");
  }
  return Arrow(State::IN_DOUBT,
               "COMPLETED " + v1::ResolveOutcomeRequest::Outcome_Name(request.outcome()));
}

Report ReportOf(const v1::ResolveOutcomeRequest& request) {
  return {request.outcome() == v1::ResolveOutcomeRequest::SUCCEEDED ? v1::Result::SUCCEEDED
                                                                    : v1::Result::REJECTED,
          request.code(), request.provider_reference(), request.content_type(), request.payload()};
}

// Whether the key is as this very resolution left it, so that repeating it is OK. Later audit
// entries do not matter: outcomes that came too late are among them.
bool AlreadyResolved(const KeyState& key, const v1::ResolveOutcomeRequest& request,
                     const Context& context) {
  if (!key.record.has_value()) return false;
  const auto& audit = key.record->audit();
  const auto last = std::find_if(audit.rbegin(), audit.rend(), [](const v1::AuditEntry& entry) {
    return entry.action() == kResolveOutcome;
  });
  if (last == audit.rend() || last->detail() != DetailOf(request) ||
      last->fencing_token() != request.expected_fencing_token()) {
    return false;
  }
  return StateOf(key) == State::COMPLETED
             ? SameResult(ReportOf(request), *key.record, *context.limits)
             : request.outcome() == v1::ResolveOutcomeRequest::NOT_EXECUTED;
}

void Resolve(KeyState& key, const v1::ResolveOutcomeRequest& request, const Context& context,
             Step& step) {
  Audit(*key.record, request, kResolveOutcome, DetailOf(request), context, step);
  step.durable = true;
  if (request.outcome() == v1::ResolveOutcomeRequest::NOT_EXECUTED) {
    step.former_attempt = key.record->attempt_id();
    ToAbsent(key, context);
  } else {
    ToCompleted(key, ReportOf(request), context.settings->payload_retention, /*late=*/false,
                context, step);
  }
}

}  // namespace

void DescribeRecord(const Record& record, const Context& context, v1::Record* out) {
  out->set_namespace_(std::string(context.name_space));
  out->set_key(std::string(context.key));
  out->set_state(record.state());
  *out->mutable_audit() = record.audit();
  if (record.state() == State::ABSENT) return;
  out->set_fencing_token(record.fencing_token());
  out->set_holder_id(record.holder_id());
  out->set_attempt_id(record.attempt_id());
  out->set_attempt_number(record.attempt_number());
  out->set_mode(record.mode());
  out->set_downstream_idempotency_key(DownstreamIdempotencyKey(context.name_space, context.key));
  out->set_effect_started(record.effect_started());
  out->set_checkpoint(record.checkpoint());
  if (record.has_result())
    ShowResult(record, context, /*with_payload=*/true, out->mutable_result());
  *out->mutable_late_outcomes() = record.late_outcomes();
  out->set_late_outcome_count(record.late_outcome_count());
  out->set_duplicate_effect_suspected(record.duplicate_effect_suspected());
  SetProto(WallTimeFromNanos(record.created_at_nanos()), out->mutable_created_at());
  SetProto(WallTimeFromNanos(record.state_since_nanos()), out->mutable_state_since());
}

Step Decide(KeyState& key, const v1::GetRecordRequest&, const Context& context,
            v1::GetRecordResponse* response) {
  Forget(key, context);
  Record absent;
  absent.set_state(State::ABSENT);
  auto& shown = *response->mutable_record();
  DescribeRecord(key.record.value_or(absent), context, &shown);
  shown.set_waiters(context.waiters);
  Step step;
  if (shown.state() == State::HELD) step.lease_deadline = key.lease_deadline;
  return step;
}

Step Decide(KeyState& key, const v1::ResolveOutcomeRequest& request, const Context& context,
            v1::ResolveOutcomeResponse* response) {
  Forget(key, context);
  const State::State state = StateOf(key);
  Step step;
  if (state != State::ABSENT && request.expected_fencing_token() != key.record->fencing_token()) {
    return Refuse(StaleFencingToken(request.expected_fencing_token(), *key.record));
  }
  if (state == State::IN_DOUBT) {
    Resolve(key, request, context, step);
  } else if (!AlreadyResolved(key, request, context)) {
    return Refuse(NotInDoubt(state));
  }
  DescribeRecord(*key.record, context, response->mutable_record());
  return step;
}

Step Decide(KeyState& key, const v1::ForceReleaseRequest& request, const Context& context,
            v1::ForceReleaseResponse* response) {
  Forget(key, context);
  const State::State state = StateOf(key);
  Step step;
  if (state == State::ABSENT) {
    step = AnswerAbsent(request.expected_fencing_token(), context);
  } else if (request.expected_fencing_token() != key.record->fencing_token()) {
    return Refuse(StaleFencingToken(request.expected_fencing_token(), *key.record));
  } else if (state == State::HELD) {
    SetProto(std::max(key.lease_deadline - context.now.monotonic, Duration::zero()),
             response->mutable_unsafe_for());
    const char* to = LapseIsForgotten(*key.record, context) ? "ABSENT" : "IN_DOUBT";
    Step forced;
    Audit(*key.record, request, kForceRelease, Arrow(state, to), context, forced);
    step = Lapse(key, context);
    step.audited = std::move(forced.audited);
  }
  response->set_state(StateOf(key));
  return step;
}

Step Decide(KeyState& key, const v1::DeleteRecordRequest& request, const Context& context,
            v1::DeleteRecordResponse*) {
  Forget(key, context);
  const State::State state = StateOf(key);
  if (state == State::ABSENT) return AnswerAbsent(request.expected_fencing_token(), context);
  if (request.expected_fencing_token() != key.record->fencing_token()) {
    return Refuse(StaleFencingToken(request.expected_fencing_token(), *key.record));
  }
  if (state != State::COMPLETED) return Refuse(RecordLive(state));
  Step step;
  Audit(*key.record, request, kDeleteRecord, Arrow(state, "ABSENT"), context, step);
  step.durable = true;
  step.former_attempt = key.record->attempt_id();
  ToAbsent(key, context);
  return step;
}

}  // namespace latchkey
