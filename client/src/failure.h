// Tells a refusal, which is an answer, from everything else that can go wrong with a call.
#pragma once

#include <chrono>
#include <string>

#include "latchkey/answer.h"
#include "transport.h"

namespace google::rpc {
class Status;
}

namespace latchkey::inline client::internal {

// A try that did not end with OK.
struct Failure {
  // kRefused only for an answer: a status with an ErrorInfo of the domain "latchkey" and a code
  // that says that repeating the call is useless. A status that a proxy or gRPC itself made up is
  // none.
  Error error;
  // The try broke on the way, or the service was not ready: the same call may well succeed.
  bool broken = false;
  // The service asks not to come back sooner. 0: it does not say.
  std::chrono::nanoseconds retry_after = {};
};

// The status of the unary call that would have been refused so.
CallStatus StatusOf(const google::rpc::Status& refusal);
// The same for a lease that a heartbeat has not renewed, for this reason.
CallStatus StatusOfLostLease(const std::string& reason);

// `status` is not OK.
Failure Explain(const CallStatus& status);

}  // namespace latchkey::inline client::internal
