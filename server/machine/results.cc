#include "server/machine/results.h"

#include <algorithm>

#include "server/machine/proto_time.h"
#include <openssl/sha.h>

namespace latchkey {
namespace {

std::string Sha256(std::string_view bytes) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

// Stored only where the payload is not; otherwise it can be computed.
std::string DigestOf(const storage::v1::StoredResult& result) {
  return result.payload_digest().empty() ? Sha256(result.payload()) : result.payload_digest();
}

bool SameEffect(const std::string& reference, const std::string& other) {
  return !reference.empty() && reference == other;
}

}  // namespace

std::string_view CutUtf8(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

void StoreResult(const Report& report, Duration payload_retention, bool late,
                 const Context& context, storage::v1::Record& record) {
  const Limits& limits = *context.limits;
  auto& result = *record.mutable_result();
  result.set_outcome(report.outcome);
  result.set_code(std::string(CutUtf8(report.code, limits.code_bytes)));
  result.set_provider_reference(
      std::string(CutUtf8(report.provider_reference, limits.provider_reference_bytes)));
  result.set_content_type(std::string(CutUtf8(report.content_type, limits.content_type_bytes)));
  result.set_truncated(result.code().size() < report.code.size() ||
                       result.provider_reference().size() < report.provider_reference.size() ||
                       result.content_type().size() < report.content_type.size());
  if (report.payload.size() > limits.payload_bytes) {
    result.set_body_omitted(true);
    result.set_payload_digest(Sha256(report.payload));
  } else {
    result.set_payload(std::string(report.payload));
  }
  result.set_recorded_at_nanos(ToNanos(context.now.retention));
  result.set_payload_retention_nanos(payload_retention.count());
  result.set_late(late);
}

bool DropExpiredPayload(storage::v1::Record& record, WallTime retention_now) {
  if (record.result().payload().empty() || !PayloadExpired(record, retention_now)) return false;
  auto& result = *record.mutable_result();
  result.set_payload_digest(DigestOf(result));
  result.clear_payload();
  return true;
}

bool PayloadExpired(const storage::v1::Record& record, WallTime retention_now) {
  return PayloadRemaining(record, retention_now) == Duration::zero();
}

Duration PayloadRemaining(const storage::v1::Record& record, WallTime retention_now) {
  const auto& result = record.result();
  const WallTime end =
      WallTimeFromNanos(result.recorded_at_nanos()) + Duration(result.payload_retention_nanos());
  return std::max(end - retention_now, Duration::zero());
}

void ShowResult(const storage::v1::Record& record, const Context& context, bool with_payload,
                v1::Result* out) {
  const auto& result = record.result();
  out->set_outcome(result.outcome());
  out->set_code(result.code());
  out->set_provider_reference(result.provider_reference());
  out->set_content_type(result.content_type());
  out->set_payload_digest(DigestOf(result));
  SetProto(WallTimeFromNanos(result.recorded_at_nanos()), out->mutable_recorded_at());
  out->set_fencing_token(record.fencing_token());
  out->set_late(result.late());
  out->set_body_omitted(result.body_omitted());
  out->set_truncated(result.truncated());
  out->set_body_expired(!result.body_omitted() && PayloadExpired(record, context.now.retention));
  if (with_payload && !out->body_expired()) out->set_payload(result.payload());
}

bool SameResult(const Report& report, const storage::v1::Record& record, const Limits& limits) {
  const auto& result = record.result();
  return result.outcome() == report.outcome &&
         result.code() == CutUtf8(report.code, limits.code_bytes) &&
         result.provider_reference() ==
             CutUtf8(report.provider_reference, limits.provider_reference_bytes) &&
         result.content_type() == CutUtf8(report.content_type, limits.content_type_bytes) &&
         DigestOf(result) == Sha256(report.payload);
}

bool KeepLateOutcome(const Report& report, std::uint64_t fencing_token, const Context& context,
                     storage::v1::Record& record) {
  const Limits& limits = *context.limits;
  v1::LateOutcome late;
  late.set_fencing_token(fencing_token);
  late.set_outcome(report.outcome);
  late.set_code(std::string(CutUtf8(report.code, limits.code_bytes)));
  late.set_provider_reference(
      std::string(CutUtf8(report.provider_reference, limits.provider_reference_bytes)));
  const auto same = [&](const v1::LateOutcome& kept) {
    return kept.fencing_token() == late.fencing_token() && kept.outcome() == late.outcome() &&
           kept.code() == late.code() && kept.provider_reference() == late.provider_reference();
  };
  if (std::ranges::any_of(record.late_outcomes(), same)) return false;
  record.set_late_outcome_count(record.late_outcome_count() + 1);
  SetProto(context.now.retention, late.mutable_received_at());
  *record.add_late_outcomes() = std::move(late);
  return true;
}

bool SuspectsDuplicateEffect(const storage::v1::Record& record) {
  const auto& reports = record.late_outcomes();
  for (int i = 0; i < reports.size(); ++i) {
    if (reports[i].outcome() != v1::Result::SUCCEEDED) continue;
    const std::string& reference = reports[i].provider_reference();
    if (record.has_result()) {
      const auto& result = record.result();
      if (result.outcome() == v1::Result::REJECTED) return true;
      if (!SameEffect(reference, result.provider_reference())) return true;
    }
    for (int j = i + 1; j < reports.size(); ++j) {
      if (reports[j].outcome() == v1::Result::SUCCEEDED &&
          !SameEffect(reference, reports[j].provider_reference())) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace latchkey
