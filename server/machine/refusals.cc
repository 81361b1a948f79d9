#include "server/machine/refusals.h"

namespace latchkey {
namespace {

using v1::CheckResultResponse;
using R = v1::Refusal;

std::string StateName(CheckResultResponse::State state) {
  return CheckResultResponse::State_Name(state);
}

std::string SentenceOf(const std::string& quota, const std::string& most) {
  if (quota == "stored_bytes_max") {
    return "takes all of its " + most + " bytes on the disk; results that expire make room";
  }
  if (quota == "new_keys_per_second_max") {
    return "begins all of its " + most + " keys a second; try again a little later";
  }
  return "has all of its " + most + " live records; resolve or finish some";
}

}  // namespace

Refusal FingerprintMismatch() {
  return {R::FINGERPRINT_MISMATCH,
          "this key was used for other work (its fingerprint differs); use a new key for new work",
          {},
          {}};
}

// Does not tell the newest token: it is somebody else's.
Refusal StaleFencingToken(std::uint64_t given, const storage::v1::Record& record) {
  return {R::STALE_FENCING_TOKEN,
          "fencing token " + std::to_string(given) +
              " is not the key's newest; stop working on this key",
          {{"fencing_token", std::to_string(given)}, {"state", StateName(record.state())}},
          {}};
}

Refusal LeaseExpired(const storage::v1::Record& record) {
  return {R::LEASE_EXPIRED,
          "the lease has run out and the key is in doubt; record the result if there is one, or "
          "acquire the lock again to recover",
          {{"state", StateName(record.state())}},
          {}};
}

Refusal AlreadyCompleted(const storage::v1::Record& record) {
  return {R::ALREADY_COMPLETED,
          "the key is completed; there is no lease to renew",
          {{"state", StateName(record.state())}},
          {}};
}

Refusal ResultConflict(const storage::v1::Record& record) {
  const auto& result = record.result();
  const std::string outcome = v1::Result::Outcome_Name(result.outcome());
  return {R::RESULT_CONFLICT,
          "another result is recorded and stands: " + outcome + " \"" +
              result.provider_reference() + "\"; yours is kept for people to look at",
          {{"outcome", outcome},
           {"code", result.code()},
           {"provider_reference", result.provider_reference()}},
          {}};
}

Refusal AttemptEnded(const std::string& attempt_id) {
  return {
      R::ATTEMPT_ENDED,
      "this attempt was released or superseded a moment ago; start new work with a new attempt_id",
      {{"attempt_id", attempt_id}},
      {}};
}

Refusal KeyExpired(const Context& context) {
  const auto hours =
      std::chrono::duration_cast<std::chrono::hours>(context.settings->key_retention).count();
  return {R::KEY_EXPIRED,
          "the key is older than its namespace remembers (" + std::to_string(hours) +
              " hours); ask the provider what happened to it",
          {{"key_retention_hours", std::to_string(hours)}},
          {}};
}

Refusal KeyUnknown() {
  return {R::KEY_UNKNOWN, "the key has no record; this call never creates one", {}, {}};
}

Refusal NotInDoubt(CheckResultResponse::State state) {
  return {R::NOT_IN_DOUBT,
          "the key is " + StateName(state) + "; only a key that is IN_DOUBT can be resolved",
          {{"state", StateName(state)}},
          {}};
}

Refusal RecordLive(CheckResultResponse::State state) {
  return {R::RECORD_LIVE,
          "the key is " + StateName(state) + "; only a COMPLETED record can be deleted",
          {{"state", StateName(state)}},
          {}};
}

Refusal CreationRefused(Reason reason, const Context& context) {
  if (reason == R::STORAGE_FULL) {
    return {reason, "the server's disk is nearly full; make room, then try again", {}, {}};
  }
  const QuotaReached quota =
      context.quota.value_or(QuotaReached{"live_records_max", context.settings->live_records_max});
  const std::string name(quota.name);
  const std::string most = std::to_string(quota.most);
  return {reason,
          "the namespace " + SentenceOf(name, most),
          {{"quota", name}, {name, most}},
          quota.retry_after};
}

}  // namespace latchkey
