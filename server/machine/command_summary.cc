// What the invariants need to know of each command. Part of invariants.h.

#include "latchkey/v1/admin.pb.h"
#include "latchkey/v1/coordination.pb.h"
#include "server/machine/invariants.h"
#include "server/machine/proto_time.h"

namespace latchkey {
namespace {

using Kind = CommandSummary::Kind;

template <class Request>
CommandSummary WithToken(Kind kind, const Request& request) {
  CommandSummary summary;
  summary.kind = kind;
  summary.fencing_token = request.fencing_token();
  return summary;
}

template <class Request>
CommandSummary WithExpectedToken(Kind kind, const Request& request) {
  CommandSummary summary;
  summary.kind = kind;
  summary.fencing_token = request.expected_fencing_token();
  return summary;
}

}  // namespace

CommandSummary CommandSummary::Of(const v1::AcquireLockRequest& request) {
  CommandSummary summary;
  summary.kind = Kind::kAcquireLock;
  summary.attempt_id = request.attempt_id();
  summary.fingerprint = request.fingerprint();
  if (request.has_first_sent_at()) summary.first_sent_at = FromProto(request.first_sent_at());
  if (request.has_lease_duration()) summary.lease_duration = FromProto(request.lease_duration());
  return summary;
}

CommandSummary CommandSummary::Of(const v1::RenewLeaseRequest& request) {
  CommandSummary summary = WithToken(Kind::kRenewLease, request);
  if (request.has_lease_duration()) summary.lease_duration = FromProto(request.lease_duration());
  return summary;
}

CommandSummary CommandSummary::Of(const v1::CheckResultRequest& request) {
  CommandSummary summary;
  summary.kind = Kind::kCheckResult;
  summary.fingerprint = request.fingerprint();
  return summary;
}

CommandSummary CommandSummary::Of(const v1::RecordResultRequest& request) {
  return WithToken(Kind::kRecordResult, request);
}

CommandSummary CommandSummary::Of(const v1::ReleaseRequest& request) {
  CommandSummary summary = WithToken(Kind::kRelease, request);
  summary.effect = request.effect();
  summary.attempt_id = request.attempt_id();
  if (request.fencing_token() == 0) summary.kind = Kind::kReleaseAttempt;
  return summary;
}

CommandSummary CommandSummary::Of(const v1::GetRecordRequest&) { return {}; }

CommandSummary CommandSummary::Of(const v1::ResolveOutcomeRequest& request) {
  CommandSummary summary = WithExpectedToken(Kind::kResolveOutcome, request);
  summary.not_executed = request.outcome() == v1::ResolveOutcomeRequest::NOT_EXECUTED;
  return summary;
}

CommandSummary CommandSummary::Of(const v1::ForceReleaseRequest& request) {
  return WithExpectedToken(Kind::kForceRelease, request);
}

CommandSummary CommandSummary::Of(const v1::DeleteRecordRequest& request) {
  return WithExpectedToken(Kind::kDeleteRecord, request);
}

}  // namespace latchkey
