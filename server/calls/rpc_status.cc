#include "server/calls/rpc_status.h"

#include "absl/status/status.h"
#include "server/machine/proto_time.h"
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>

namespace latchkey {
namespace {

using R = v1::Refusal;

// Their numbers are those of gRPC.
absl::StatusCode CodeOf(Reason reason) {
  switch (reason) {
    case R::FINGERPRINT_MISMATCH:
    case R::STALE_FENCING_TOKEN:
    case R::LEASE_EXPIRED:
    case R::ALREADY_COMPLETED:
    case R::RESULT_CONFLICT:
    case R::ATTEMPT_ENDED:
    case R::KEY_EXPIRED:
    case R::NOT_IN_DOUBT:
    case R::RECORD_LIVE:
    case R::BACKUP_UNAVAILABLE:
      return absl::StatusCode::kFailedPrecondition;
    case R::KEY_UNKNOWN:
      return absl::StatusCode::kNotFound;
    case R::SUPERSEDED_BY_RETRY:
    case R::BACKUP_RUNNING:
      return absl::StatusCode::kAborted;
    case R::WAITERS_LIMIT:
    case R::WATCHERS_LIMIT:
    case R::QUOTA_EXCEEDED:
    case R::STORAGE_FULL:
      return absl::StatusCode::kResourceExhausted;
    case R::OVERLOADED:
    case R::STORAGE_UNAVAILABLE:
    case R::SHUTTING_DOWN:
      return absl::StatusCode::kUnavailable;
    case R::BACKUP_FAILED:
      return absl::StatusCode::kInternal;
    case R::RECORD_CORRUPT:
      return absl::StatusCode::kDataLoss;
    case R::CREDENTIALS_REQUIRED:
      return absl::StatusCode::kUnauthenticated;
    case R::PERMISSION_DENIED:
      return absl::StatusCode::kPermissionDenied;
    case R::NOT_IMPLEMENTED:
      return absl::StatusCode::kUnimplemented;
    case R::REASON_UNSPECIFIED:
      return absl::StatusCode::kCancelled;
    default:  // *_REQUIRED, *_MALFORMED, *_TOO_LONG, *_OUT_OF_RANGE
      return absl::StatusCode::kInvalidArgument;
  }
}

}  // namespace

google::rpc::Status ToRpcStatus(const Refusal& refusal) {
  google::rpc::Status status;
  status.set_code(static_cast<int>(CodeOf(refusal.reason)));
  status.set_message(refusal.message);
  if (refusal.reason == R::REASON_UNSPECIFIED) return status;
  google::rpc::ErrorInfo info;
  info.set_reason(R::Reason_Name(refusal.reason));
  info.set_domain("latchkey");
  for (const auto& [name, value] : refusal.metadata) (*info.mutable_metadata())[name] = value;
  status.add_details()->PackFrom(info);
  if (refusal.retry_after.has_value()) {
    google::rpc::RetryInfo retry;
    SetProto(*refusal.retry_after, retry.mutable_retry_delay());
    status.add_details()->PackFrom(retry);
  }
  return status;
}

}  // namespace latchkey
