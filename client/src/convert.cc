#include "convert.h"

#include <algorithm>
#include <utility>

#include "base/mutant.h"
#include "utf8.h"

namespace latchkey::inline client::internal {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;
using std::chrono::system_clock;

constexpr std::int64_t kCentury = 100LL * 366 * 24 * 3600;  // Seconds.

// One in a hundred: how much faster the service's clock may run than ours.
constexpr int kDriftParts = 100;

// The service grants 15 minutes at most, and may add as much after a stall of its own.
constexpr std::chrono::minutes kLeaseMax(30);

// The service keeps no payload of more than 1 MiB, and gRPC takes no message of more than 4. One
// byte above the first is sent, so that the rest of the outcome arrives and the payload is seen to
// be too large.
constexpr std::size_t kPayloadSentMax = (std::size_t{1} << 20) + 1;

Error Nonsense(const std::string& what) {
  return {.kind = Error::Kind::kUnavailable,
          .reason = "",
          .message = "the service's answer makes no sense: " + what};
}

system_clock::time_point ToTime(const google::protobuf::Timestamp& time) {
  const seconds since_epoch(std::clamp<std::int64_t>(time.seconds(), -kCentury, kCentury));
  return system_clock::time_point(since_epoch + nanoseconds(time.nanos()));
}

google::protobuf::Timestamp ToProto(system_clock::time_point time) {
  const nanoseconds since_epoch =
      std::clamp<nanoseconds>(time.time_since_epoch(), -seconds(kCentury), seconds(kCentury));
  const auto whole = std::chrono::floor<seconds>(since_epoch);
  google::protobuf::Timestamp proto;
  proto.set_seconds(whole.count());
  proto.set_nanos(static_cast<int>(nanoseconds(since_epoch - whole).count()));
  return proto;
}

std::optional<StoredResult::Outcome> ToOutcome(v1::Result::Outcome outcome) {
  switch (outcome) {
    case v1::Result::SUCCEEDED:
      return StoredResult::Outcome::kSucceeded;
    case v1::Result::REJECTED:
      return StoredResult::Outcome::kRejected;
    default:
      return std::nullopt;
  }
}

std::optional<StoredResult> ToStored(const v1::Result& result) {
  const auto outcome = ToOutcome(result.outcome());
  if (!outcome) return std::nullopt;
  return StoredResult{.outcome = *outcome,
                      .code = result.code(),
                      .provider_reference = result.provider_reference(),
                      .content_type = result.content_type(),
                      .payload = result.payload(),
                      .payload_digest = result.payload_digest(),
                      .recorded_at = ToTime(result.recorded_at()),
                      .fencing_token = result.fencing_token(),
                      .late = result.late(),
                      .body_omitted = result.body_omitted(),
                      .body_expired = result.body_expired(),
                      .truncated = result.truncated()};
}

std::vector<LateOutcome> ToLateOutcomes(const v1::Grant& grant) {
  std::vector<LateOutcome> outcomes;
  for (const v1::LateOutcome& late : grant.late_outcomes()) {
    const auto outcome = ToOutcome(late.outcome());
    if (!outcome) continue;
    outcomes.push_back({.fencing_token = late.fencing_token(),
                        .outcome = *outcome,
                        .code = late.code(),
                        .provider_reference = late.provider_reference(),
                        .received_at = ToTime(late.received_at())});
  }
  return outcomes;
}

// Anything but a clear EXECUTE is to be recovered, and anything but a clear RESEND to be queried.
RecoverAction ToAction(const v1::Grant& grant) {
  if (grant.mode() == v1::Grant::EXECUTE) return RecoverAction::kNone;
  return grant.recover_action() == v1::Grant::RESEND_SAME_KEY ? RecoverAction::kResendSameKey
                                                              : RecoverAction::kQueryOnly;
}

AcquireReply ToGrant(const v1::Grant& grant, const Validity& validity) {
  if (grant.fencing_token() == 0) return Nonsense("a grant without a fencing token");
  return Grant{
      .fencing_token = grant.fencing_token(),
      .mode = grant.mode() == v1::Grant::EXECUTE ? Mode::kExecute : Mode::kRecover,
      .recover_action = ToAction(grant),
      .attempt_number = grant.attempt_number(),
      .validity = validity,
      .downstream_idempotency_key = grant.downstream_idempotency_key(),
      .downstream_key_remaining = FromProto(grant.downstream_key_remaining()),
      .checkpoint = grant.checkpoint(),
      .previous_holder_id = grant.previous_holder_id(),
      .doubt_age = FromProto(grant.doubt_age()),
      .late_outcomes = ToLateOutcomes(grant),
  };
}

AcquireReply ToCompleted(const v1::Completed& completed) {
  auto result = ToStored(completed.result());
  if (!result) return Nonsense("a completed key without an outcome");
  return Completed{.result = std::move(*result),
                   .body_expires_in = FromProto(completed.body_expires_in()),
                   .key_expires_in = FromProto(completed.key_expires_in())};
}

v1::AcquireLockRequest::OnLapse ToProto(OnLapse on_lapse) {
  switch (on_lapse) {
    case OnLapse::kInDoubt:
      return v1::AcquireLockRequest::IN_DOUBT;
    case OnLapse::kForget:
      return v1::AcquireLockRequest::FORGET;
    case OnLapse::kForgetUnlessStarted:
      return v1::AcquireLockRequest::FORGET_UNLESS_STARTED;
  }
  return v1::AcquireLockRequest::IN_DOUBT;
}

v1::ReleaseRequest::Effect ToProto(Effect effect) {
  switch (effect) {
    case Effect::kNotExecuted:
      return v1::ReleaseRequest::NOT_EXECUTED;
    case Effect::kUnknown:
      return v1::ReleaseRequest::UNKNOWN;
    case Effect::kRunNotExecuted:
      return v1::ReleaseRequest::RUN_NOT_EXECUTED;
  }
  return v1::ReleaseRequest::UNKNOWN;
}

// Of a final outcome.
v1::Result::Outcome ToProto(Outcome::Kind kind) {
  return kind == Outcome::Kind::kSucceeded ? v1::Result::SUCCEEDED : v1::Result::REJECTED;
}

template <typename Request>
Request Named(const KeyName& name) {
  Request request;
  request.set_namespace_(ToUtf8(name.key_namespace));
  request.set_key(ToUtf8(name.key));
  return request;
}

}  // namespace

nanoseconds FromProto(const google::protobuf::Duration& duration) {
  const seconds whole(std::clamp<std::int64_t>(duration.seconds(), 0, kCentury));
  return std::max(whole + nanoseconds(duration.nanos()), nanoseconds(0));
}

google::protobuf::Duration ToProto(nanoseconds duration) {
  google::protobuf::Duration proto;
  proto.set_seconds(duration.count() / 1'000'000'000);
  proto.set_nanos(static_cast<int>(duration.count() % 1'000'000'000));
  return proto;
}

Validity ToValidity(const Exchange& exchange, const google::protobuf::Duration& server_elapsed,
                    const google::protobuf::Duration& lease_remaining) {
  const nanoseconds elapsed =
      std::min<nanoseconds>(FromProto(server_elapsed), exchange.answered_at - exchange.sent_at);
  const nanoseconds lasts = elapsed + std::min<nanoseconds>(FromProto(lease_remaining), kLeaseMax);
  const auto since = Mutated(Mutant::kLeaseSinceReply) ? exchange.answered_at : exchange.sent_at;
  // Rounded against us.
  return {.sent_at = exchange.sent_at,
          .safe_until = since + lasts - lasts / kDriftParts - nanoseconds(1)};
}

v1::AcquireLockRequest ToRequest(const AcquireCall& call) {
  const AcquireOptions& options = call.options;
  auto request = Named<v1::AcquireLockRequest>(call.name);
  request.set_holder_id(ToUtf8(call.holder_id));
  request.set_fingerprint(options.fingerprint);
  *request.mutable_lease_duration() = ToProto(options.lease_duration);
  request.set_on_lapse(ToProto(options.on_lapse));
  request.set_accept_recover(true);
  if (options.first_sent_at) *request.mutable_first_sent_at() = ToProto(*options.first_sent_at);
  if (options.downstream_key_ttl) {
    *request.mutable_downstream_key_ttl() = ToProto(*options.downstream_key_ttl);
  }
  return request;
}

v1::RenewLeaseRequest ToRequest(const RenewCall& call) {
  auto request = Named<v1::RenewLeaseRequest>(call.name);
  request.set_fencing_token(call.fencing_token);
  if (call.lease_duration) *request.mutable_lease_duration() = ToProto(*call.lease_duration);
  request.set_effect_started(call.effect_started);
  if (call.checkpoint) request.set_checkpoint(*call.checkpoint);
  return request;
}

v1::RecordResultRequest ToRequest(const RecordCall& call) {
  const ResultFields& fields = call.outcome.fields();
  auto request = Named<v1::RecordResultRequest>(call.name);
  request.set_fencing_token(call.fencing_token);
  request.set_outcome(ToProto(call.outcome.kind()));
  request.set_code(ToUtf8(fields.code));
  request.set_provider_reference(ToUtf8(fields.provider_reference));
  request.set_content_type(ToUtf8(fields.content_type));
  request.set_payload(fields.payload.substr(0, kPayloadSentMax));
  if (fields.retention) *request.mutable_retention() = ToProto(*fields.retention);
  return request;
}

v1::ReleaseRequest ToRequest(const ReleaseCall& call) {
  auto request = Named<v1::ReleaseRequest>(call.name);
  request.set_fencing_token(call.fencing_token);
  request.set_effect(ToProto(call.effect));
  return request;
}

v1::CheckResultRequest ToRequest(const CheckCall& call) {
  auto request = Named<v1::CheckResultRequest>(call.name);
  request.set_fingerprint(call.options.fingerprint);
  if (call.options.first_sent_at) {
    *request.mutable_first_sent_at() = ToProto(*call.options.first_sent_at);
  }
  return request;
}

v1::IssueKeyRequest ToRequest(const IssueCall& call) {
  v1::IssueKeyRequest request;
  request.set_namespace_(ToUtf8(call.key_namespace));
  return request;
}

std::optional<RecordCall> ToCall(const v1::RecordResultRequest& request) {
  const auto outcome = ToOutcome(request.outcome());
  if (!outcome || request.fencing_token() == 0) return std::nullopt;
  ResultFields fields{.code = request.code(),
                      .provider_reference = request.provider_reference(),
                      .content_type = request.content_type(),
                      .payload = request.payload()};
  if (request.has_retention()) fields.retention = FromProto(request.retention());
  return RecordCall{.name = {request.namespace_(), request.key()},
                    .fencing_token = request.fencing_token(),
                    .deadline = {},
                    .outcome = *outcome == StoredResult::Outcome::kSucceeded
                                   ? Succeeded(std::move(fields))
                                   : Rejected(std::move(fields))};
}

AcquireReply ToReply(const v1::AcquireLockResponse& response, const Exchange& exchange) {
  switch (response.outcome_case()) {
    case v1::AcquireLockResponse::kGrant:
      return ToGrant(response.grant(), ToValidity(exchange, response.server_elapsed(),
                                                  response.grant().lease_remaining()));
    case v1::AcquireLockResponse::kCompleted:
      return ToCompleted(response.completed());
    case v1::AcquireLockResponse::kContention: {
      const v1::Contention& contention = response.contention();
      return Contention{.holder_id = contention.holder_id(),
                        .retry_after = FromProto(contention.retry_after()),
                        .queue_position = contention.queue_position(),
                        .waiters = contention.waiters()};
    }
    case v1::AcquireLockResponse::OUTCOME_NOT_SET:
      break;
  }
  return Nonsense("neither grant nor result nor contention");
}

Answer<KeyStatus> ToStatus(const v1::CheckResultResponse& response) {
  const Answer<KeyStatus::State> state = ToState(response.state());
  if (!state.ok()) return state.error();
  KeyStatus status{.state = *state,
                   .result = {},
                   .retry_after = FromProto(response.retry_after()),
                   .attempt_number = response.attempt_number(),
                   .holder_id = response.holder_id()};
  if (*state == KeyStatus::State::kCompleted) {
    status.result = ToStored(response.result());
    if (!status.result) return Nonsense("a completed key without an outcome");
  }
  return status;
}

Answer<KeyStatus::State> ToState(v1::CheckResultResponse::State state) {
  switch (state) {
    case v1::CheckResultResponse::ABSENT:
      return KeyStatus::State::kAbsent;
    case v1::CheckResultResponse::HELD:
      return KeyStatus::State::kHeld;
    case v1::CheckResultResponse::IN_DOUBT:
      return KeyStatus::State::kInDoubt;
    case v1::CheckResultResponse::COMPLETED:
      return KeyStatus::State::kCompleted;
    default:
      return Nonsense("no known state");
  }
}

Answer<std::string> ToKey(const v1::IssueKeyResponse& response) {
  if (response.key().empty()) return Nonsense("an empty key");
  return response.key();
}

Answer<StoredResult> ToRecorded(const v1::RecordResultResponse& response, const Outcome& outcome) {
  auto stored = ToStored(response.result());
  if (!stored) return Nonsense("a recorded result without an outcome");
  if (response.result().outcome() != ToProto(outcome.kind())) {
    return Nonsense("it recorded another outcome than it was sent");
  }
  if (!stored->body_omitted && !stored->body_expired) stored->payload = outcome.fields().payload;
  return std::move(*stored);
}

}  // namespace latchkey::inline client::internal
