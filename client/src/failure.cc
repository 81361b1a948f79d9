#include "failure.h"

#include <algorithm>
#include <optional>

#include "convert.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace latchkey::inline client::internal {
namespace {

using grpc::StatusCode;

// The code of a status whose ErrorInfo is the service's own is an answer.
bool IsAnswer(StatusCode code) {
  switch (code) {
    case StatusCode::INVALID_ARGUMENT:
    case StatusCode::FAILED_PRECONDITION:
    case StatusCode::NOT_FOUND:
    case StatusCode::PERMISSION_DENIED:
    case StatusCode::UNAUTHENTICATED:
    case StatusCode::DATA_LOSS:
      return true;
    default:
      return false;
  }
}

// What gRPC reports when the connection or the stream broke, or the try's time was up. The last
// three only where the service did not choose them itself: they are how a reset stream looks.
bool IsBroken(StatusCode code, bool from_service) {
  switch (code) {
    case StatusCode::UNAVAILABLE:
    case StatusCode::DEADLINE_EXCEEDED:
      return true;
    case StatusCode::CANCELLED:
    case StatusCode::INTERNAL:
    case StatusCode::UNKNOWN:
      return !from_service;
    default:
      return false;
  }
}

// As a unary renewal that is refused for this reason has it.
StatusCode CodeOfLostLease(const std::string& reason) {
  if (reason == "OVERLOADED" || reason == "SHUTTING_DOWN" || reason == "STORAGE_UNAVAILABLE") {
    return StatusCode::UNAVAILABLE;
  }
  if (reason == "PERMISSION_DENIED") return StatusCode::PERMISSION_DENIED;
  if (reason == "KEY_UNKNOWN") return StatusCode::NOT_FOUND;
  if (reason == "RECORD_CORRUPT") return StatusCode::DATA_LOSS;
  return StatusCode::FAILED_PRECONDITION;
}

template <typename Detail>
std::optional<Detail> FindDetail(const google::rpc::Status& status) {
  for (const google::protobuf::Any& any : status.details()) {
    Detail detail;
    if (any.Is<Detail>() && any.UnpackTo(&detail)) return detail;
  }
  return std::nullopt;
}

}  // namespace

CallStatus StatusOf(const google::rpc::Status& refusal) {
  return {static_cast<StatusCode>(refusal.code()), refusal.message(), refusal.SerializeAsString()};
}

CallStatus StatusOfLostLease(const std::string& reason) {
  google::rpc::Status status;
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("latchkey");
  status.set_code(CodeOfLostLease(reason));
  status.set_message("the lease was not renewed");
  status.add_details()->PackFrom(info);
  return StatusOf(status);
}

Failure Explain(const CallStatus& status) {
  Failure failure;
  failure.error.message = status.message;
  bool from_service = false;
  google::rpc::Status details;
  if (!status.details.empty() && details.ParseFromString(status.details)) {
    const auto info = FindDetail<google::rpc::ErrorInfo>(details);
    if (info && info->domain() == "latchkey") {
      from_service = true;
      failure.error.reason = info->reason();
      failure.error.metadata = {info->metadata().begin(), info->metadata().end()};
    }
    const auto retry = FindDetail<google::rpc::RetryInfo>(details);
    if (retry) failure.retry_after = FromProto(retry->retry_delay());
  }
  if (from_service && IsAnswer(status.code)) failure.error.kind = Error::Kind::kRefused;
  failure.broken = IsBroken(status.code, from_service);
  return failure;
}

}  // namespace latchkey::inline client::internal
