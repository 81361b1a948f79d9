// Tells a refusal, which is an answer, from everything else that can go wrong with a call.
#pragma once

#include <chrono>

#include "latchkey/answer.h"
#include "transport.h"

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

// `status` is not OK.
Failure Explain(const CallStatus& status);

}  // namespace latchkey::inline client::internal
