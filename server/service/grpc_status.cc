#include "server/service/grpc_status.h"

#include "server/machine/proto_time.h"
#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/support/status.h>

namespace latchkey {
namespace {

using R = v1::Refusal;

grpc::StatusCode CodeOf(Reason reason) {
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
      return grpc::StatusCode::FAILED_PRECONDITION;
    case R::KEY_UNKNOWN:
      return grpc::StatusCode::NOT_FOUND;
    case R::SUPERSEDED_BY_RETRY:
      return grpc::StatusCode::ABORTED;
    case R::WAITERS_LIMIT:
    case R::QUOTA_EXCEEDED:
    case R::STORAGE_FULL:
      return grpc::StatusCode::RESOURCE_EXHAUSTED;
    case R::OVERLOADED:
    case R::STORAGE_UNAVAILABLE:
    case R::SHUTTING_DOWN:
      return grpc::StatusCode::UNAVAILABLE;
    case R::RECORD_CORRUPT:
      return grpc::StatusCode::DATA_LOSS;
    case R::CREDENTIALS_REQUIRED:
      return grpc::StatusCode::UNAUTHENTICATED;
    case R::PERMISSION_DENIED:
      return grpc::StatusCode::PERMISSION_DENIED;
    case R::NOT_IMPLEMENTED:
      return grpc::StatusCode::UNIMPLEMENTED;
    case R::REASON_UNSPECIFIED:
      return grpc::StatusCode::CANCELLED;
    default:  // *_REQUIRED, *_MALFORMED, *_TOO_LONG, *_OUT_OF_RANGE
      return grpc::StatusCode::INVALID_ARGUMENT;
  }
}

}  // namespace

grpc::Status ToGrpcStatus(const Refusal& refusal) {
  const grpc::StatusCode code = CodeOf(refusal.reason);
  if (refusal.reason == R::REASON_UNSPECIFIED) return {code, refusal.message};
  google::rpc::Status status;
  status.set_code(code);
  status.set_message(refusal.message);
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
  return {code, refusal.message, status.SerializeAsString()};
}

}  // namespace latchkey
