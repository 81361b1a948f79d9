#include "server/machine/request_checks.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "latchkey/v1/admin.pb.h"
#include "latchkey/v1/coordination.pb.h"
#include "server/machine/proto_time.h"

namespace latchkey {
namespace {

using R = v1::Refusal;
using Outcome = std::optional<Refusal>;

bool IsIdCharacter(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         std::string_view("._:/@-").find(c) != std::string_view::npos;
}

bool IsKeyCharacter(char c) { return c >= 0x21 && c <= 0x7E; }

Refusal Required(Reason reason, const char* field) {
  return {reason, std::string(field) + " is required", {{"field", field}}, {}};
}

Refusal TooLong(Reason reason, const char* field, std::size_t size, std::size_t most) {
  return {reason,
          std::string(field) + " has " + std::to_string(size) + " bytes, at most " +
              std::to_string(most) + " are allowed",
          {{"field", field}, {"bytes", std::to_string(size)}, {"bytes_max", std::to_string(most)}},
          {}};
}

Refusal Malformed(Reason reason, const char* field, const char* allowed) {
  return {reason,
          std::string(field) + " has a character that is not allowed; allowed is " + allowed,
          {{"field", field}},
          {}};
}

Refusal UnknownValue(Reason reason, const char* field, int value) {
  return {reason,
          std::string(field) + " has the value " + std::to_string(value) +
              ", which this server does not know",
          {{"field", field}, {"value", std::to_string(value)}},
          {}};
}

Refusal OutOfRange(Reason reason, const char* field, const std::string& range) {
  return {
      reason, std::string(field) + " must be " + range, {{"field", field}, {"range", range}}, {}};
}

// The reasons that go with one text field.
struct TextRule {
  const char* field;
  std::size_t bytes_max;
  Reason required = R::REASON_UNSPECIFIED;  // UNSPECIFIED: may be empty
  Reason too_long = R::REASON_UNSPECIFIED;
  Reason malformed = R::REASON_UNSPECIFIED;  // UNSPECIFIED: any bytes
  bool key_characters = false;
};

Outcome CheckText(std::string_view text, const TextRule& rule) {
  if (text.empty()) {
    if (rule.required == R::REASON_UNSPECIFIED) return std::nullopt;
    return Required(rule.required, rule.field);
  }
  if (text.size() > rule.bytes_max) {
    return TooLong(rule.too_long, rule.field, text.size(), rule.bytes_max);
  }
  if (rule.malformed == R::REASON_UNSPECIFIED) return std::nullopt;
  if (!std::ranges::all_of(text, rule.key_characters ? IsKeyCharacter : IsIdCharacter)) {
    return Malformed(rule.malformed, rule.field,
                     rule.key_characters ? "0x21 to 0x7E" : "A-Z a-z 0-9 . _ : / @ -");
  }
  return std::nullopt;
}

Outcome CheckNamespace(std::string_view name_space, const Limits& limits) {
  return CheckText(name_space, {.field = "namespace",
                                .bytes_max = limits.namespace_bytes,
                                .too_long = R::NAMESPACE_TOO_LONG,
                                .malformed = R::NAMESPACE_MALFORMED});
}

template <class Request>
Outcome CheckKey(const Request& request, const Limits& limits) {
  if (auto wrong = CheckNamespace(request.namespace_(), limits)) return wrong;
  return CheckText(request.key(), {.field = "key",
                                   .bytes_max = limits.key_bytes,
                                   .required = R::KEY_REQUIRED,
                                   .too_long = R::KEY_TOO_LONG,
                                   .malformed = R::KEY_MALFORMED,
                                   .key_characters = true});
}

Outcome CheckAttemptId(std::string_view attempt_id, Reason required, const Limits& limits) {
  return CheckText(attempt_id, {.field = "attempt_id",
                                .bytes_max = limits.id_bytes,
                                .required = required,
                                .too_long = R::ATTEMPT_ID_TOO_LONG,
                                .malformed = R::ATTEMPT_ID_MALFORMED});
}

Outcome CheckHolderId(std::string_view holder_id, const Limits& limits) {
  return CheckText(holder_id, {.field = "holder_id",
                               .bytes_max = limits.id_bytes,
                               .too_long = R::HOLDER_ID_TOO_LONG,
                               .malformed = R::HOLDER_ID_MALFORMED});
}

Outcome CheckFingerprint(std::string_view fingerprint, const Limits& limits) {
  return CheckText(fingerprint, {.field = "fingerprint",
                                 .bytes_max = limits.fingerprint_bytes,
                                 .too_long = R::FINGERPRINT_TOO_LONG});
}

Outcome CheckToken(std::uint64_t token) {
  if (token != 0) return std::nullopt;
  return Required(R::FENCING_TOKEN_REQUIRED, "fencing_token");
}

// "30 s", or "100 ms" where it is no whole number of seconds.
std::string Seconds(Duration duration) {
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  return millis % 1000 == 0 ? std::to_string(millis / 1000) + " s" : std::to_string(millis) + " ms";
}

Outcome CheckLease(const google::protobuf::Duration& lease, const CheckContext& context) {
  const Duration shortest = context.limits->lease_duration_min;
  const Duration longest =
      std::min(context.limits->lease_duration_max, context.settings->lease_duration_max);
  const auto asked = FromProto(lease);
  if (asked.has_value() && *asked >= shortest && *asked <= longest) return std::nullopt;
  return OutOfRange(R::LEASE_DURATION_OUT_OF_RANGE, "lease_duration",
                    "from " + Seconds(shortest) + " to " + Seconds(longest));
}

template <class Request>
Outcome CheckWait(const Request& request, const CheckContext& context) {
  const auto asked = FromProto(request.wait_timeout());
  const Duration longest = context.limits->wait_timeout_max;
  if (asked.has_value() && *asked >= Duration::zero() && *asked <= longest) return std::nullopt;
  return OutOfRange(R::WAIT_TIMEOUT_OUT_OF_RANGE, "wait_timeout",
                    "from 0 s to " + Seconds(longest));
}

template <class Request>
Outcome CheckFirstSentAt(const Request& request, const CheckContext& context) {
  if (!request.has_first_sent_at()) return std::nullopt;
  const auto sent = FromProto(request.first_sent_at());
  const Duration ahead = context.limits->first_sent_at_ahead_max;
  if (sent.has_value() && *sent <= context.latest + ahead) return std::nullopt;
  return OutOfRange(R::FIRST_SENT_AT_OUT_OF_RANGE, "first_sent_at",
                    "a valid time, at most " + Seconds(ahead) + " ahead of the server");
}

Outcome CheckNotNegative(const google::protobuf::Duration& duration, Reason reason,
                         const char* field) {
  const auto asked = FromProto(duration);
  if (asked.has_value() && *asked >= Duration::zero()) return std::nullopt;
  return OutOfRange(reason, field, "a valid duration of 0 s or more");
}

Outcome CheckKeyPrefix(std::string_view key_prefix, const Limits& limits) {
  return CheckText(key_prefix, {.field = "key_prefix",
                                .bytes_max = limits.key_bytes,
                                .too_long = R::KEY_PREFIX_TOO_LONG,
                                .malformed = R::KEY_PREFIX_MALFORMED,
                                .key_characters = true});
}

// The fields that every admin call which changes something has.
template <class Request>
Outcome CheckWhoAndWhy(const Request& request, const Limits& limits) {
  if (auto wrong = CheckText(request.actor(), {.field = "actor",
                                               .bytes_max = limits.actor_bytes,
                                               .required = R::ACTOR_REQUIRED,
                                               .too_long = R::ACTOR_TOO_LONG,
                                               .malformed = R::ACTOR_MALFORMED})) {
    return wrong;
  }
  return CheckText(request.reason(), {.field = "reason",
                                      .bytes_max = limits.reason_bytes,
                                      .required = R::REASON_REQUIRED,
                                      .too_long = R::REASON_TOO_LONG});
}

// And where it changes a record.
template <class Request>
Outcome CheckAdmin(const Request& request, const CheckContext& context) {
  const Limits& limits = *context.limits;
  if (auto wrong = CheckKey(request, limits)) return wrong;
  if (request.expected_fencing_token() == 0) {
    return Required(R::EXPECTED_FENCING_TOKEN_REQUIRED, "expected_fencing_token");
  }
  return CheckWhoAndWhy(request, limits);
}

}  // namespace

Outcome CheckRequest(const v1::AcquireLockRequest& request, const CheckContext& context) {
  const Limits& limits = *context.limits;
  if (auto wrong = CheckKey(request, limits)) return wrong;
  if (auto wrong = CheckAttemptId(request.attempt_id(), R::ATTEMPT_ID_REQUIRED, limits))
    return wrong;
  if (auto wrong = CheckHolderId(request.holder_id(), limits)) return wrong;
  if (auto wrong = CheckFingerprint(request.fingerprint(), limits)) return wrong;
  if (auto wrong = CheckLease(request.lease_duration(), context)) return wrong;
  if (auto wrong = CheckWait(request, context)) return wrong;
  if (!v1::AcquireLockRequest::OnLapse_IsValid(request.on_lapse())) {
    return UnknownValue(R::ON_LAPSE_MALFORMED, "on_lapse", request.on_lapse());
  }
  if (auto wrong = CheckFirstSentAt(request, context)) return wrong;
  return CheckNotNegative(request.downstream_key_ttl(), R::DOWNSTREAM_KEY_TTL_OUT_OF_RANGE,
                          "downstream_key_ttl");
}

Outcome CheckRequest(const v1::RenewLeaseRequest& request, const CheckContext& context) {
  const Limits& limits = *context.limits;
  if (auto wrong = CheckKey(request, limits)) return wrong;
  if (auto wrong = CheckToken(request.fencing_token())) return wrong;
  if (request.has_lease_duration()) {
    if (auto wrong = CheckLease(request.lease_duration(), context)) return wrong;
  }
  return CheckText(request.checkpoint(), {.field = "checkpoint",
                                          .bytes_max = limits.checkpoint_bytes,
                                          .too_long = R::CHECKPOINT_TOO_LONG});
}

Outcome CheckRequest(const v1::CheckResultRequest& request, const CheckContext& context) {
  const Limits& limits = *context.limits;
  if (auto wrong = CheckKey(request, limits)) return wrong;
  if (auto wrong = CheckFingerprint(request.fingerprint(), limits)) return wrong;
  if (auto wrong = CheckFirstSentAt(request, context)) return wrong;
  return CheckWait(request, context);
}

Outcome CheckRequest(const v1::RecordResultRequest& request, const CheckContext& context) {
  if (auto wrong = CheckKey(request, *context.limits)) return wrong;
  if (auto wrong = CheckToken(request.fencing_token())) return wrong;
  if (request.outcome() == v1::Result::OUTCOME_UNSPECIFIED) {
    return Required(R::OUTCOME_REQUIRED, "outcome");
  }
  if (!v1::Result::Outcome_IsValid(request.outcome())) {
    return UnknownValue(R::OUTCOME_MALFORMED, "outcome", request.outcome());
  }
  return std::nullopt;  // an outcome is never refused for its size, nor for its retention
}

Outcome CheckRequest(const v1::ReleaseRequest& request, const CheckContext& context) {
  const Limits& limits = *context.limits;
  if (auto wrong = CheckKey(request, limits)) return wrong;
  if (request.fencing_token() == 0 && request.attempt_id().empty()) {
    return Required(R::FENCING_TOKEN_REQUIRED, "fencing_token (or attempt_id)");
  }
  if (auto wrong = CheckAttemptId(request.attempt_id(), R::REASON_UNSPECIFIED, limits))
    return wrong;
  if (!v1::ReleaseRequest::Effect_IsValid(request.effect())) {
    return UnknownValue(R::EFFECT_MALFORMED, "effect", request.effect());
  }
  return std::nullopt;
}

Outcome CheckRequest(const v1::IssueKeyRequest& request, const CheckContext& context) {
  return CheckNamespace(request.namespace_(), *context.limits);
}

Outcome CheckRequest(const v1::GetRecordRequest& request, const CheckContext& context) {
  return CheckKey(request, *context.limits);
}

Outcome CheckRequest(const v1::ListRecordsRequest& request, const CheckContext& context) {
  const Limits& limits = *context.limits;
  if (auto wrong = CheckNamespace(request.namespace_(), limits)) return wrong;
  if (auto wrong = CheckKeyPrefix(request.key_prefix(), limits)) return wrong;
  if (!v1::CheckResultResponse::State_IsValid(request.state())) {
    return UnknownValue(R::STATE_MALFORMED, "state", request.state());
  }
  if (auto wrong = CheckHolderId(request.holder_id(), limits)) return wrong;
  return CheckNotNegative(request.older_than(), R::OLDER_THAN_OUT_OF_RANGE, "older_than");
}

Outcome CheckRequest(const v1::ResolveOutcomeRequest& request, const CheckContext& context) {
  if (auto wrong = CheckAdmin(request, context)) return wrong;
  if (request.outcome() == v1::ResolveOutcomeRequest::OUTCOME_UNSPECIFIED) {
    return Required(R::OUTCOME_REQUIRED, "outcome");
  }
  if (!v1::ResolveOutcomeRequest::Outcome_IsValid(request.outcome())) {
    return UnknownValue(R::OUTCOME_MALFORMED, "outcome", request.outcome());
  }
  return std::nullopt;
}

Outcome CheckRequest(const v1::ForceReleaseRequest& request, const CheckContext& context) {
  return CheckAdmin(request, context);
}

Outcome CheckRequest(const v1::DeleteRecordRequest& request, const CheckContext& context) {
  return CheckAdmin(request, context);
}

Outcome CheckRequest(const v1::ClearRestoreDoubtRequest& request, const CheckContext& context) {
  return CheckWhoAndWhy(request, *context.limits);
}

Outcome CheckRequest(const v1::CreateBackupRequest& request, const CheckContext& context) {
  return CheckWhoAndWhy(request, *context.limits);
}

Outcome CheckRequest(const v1::WatchRecordsRequest& request, const CheckContext& context) {
  if (auto wrong = CheckNamespace(request.namespace_(), *context.limits)) return wrong;
  return CheckKeyPrefix(request.key_prefix(), *context.limits);
}

}  // namespace latchkey
