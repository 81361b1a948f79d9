// The sentences of the refusals that the record machine gives.
#pragma once

#include <string>
#include <utility>

#include "latchkey/storage/v1/record.pb.h"
#include "server/machine/record_machine.h"
#include "server/machine/refusal.h"

namespace latchkey {

// A decision that refuses and changes nothing.
inline Step Refuse(Refusal refusal) {
  Step step;
  step.refusal = std::move(refusal);
  return step;
}

// Says nothing about the key: the caller has not shown that its record is any business of theirs
// (I4).
Refusal FingerprintMismatch();
Refusal StaleFencingToken(std::uint64_t given, const storage::v1::Record& record);
Refusal LeaseExpired(const storage::v1::Record& record);
Refusal AlreadyCompleted(const storage::v1::Record& record);
Refusal ResultConflict(const storage::v1::Record& record);
Refusal AttemptEnded(const std::string& attempt_id);
Refusal KeyExpired(const Context& context);
Refusal KeyUnknown();
Refusal NotInDoubt(v1::CheckResultResponse::State state);
Refusal RecordLive(v1::CheckResultResponse::State state);
// QUOTA_EXCEEDED or STORAGE_FULL.
Refusal CreationRefused(Reason reason, const Context& context);

}  // namespace latchkey
