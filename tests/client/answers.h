// What the service may say, for fake transports.
#pragma once

#include <chrono>
#include <string>

#include "fake_transport.h"

namespace latchkey::inline client::internal {

using GrantPlay = Play<v1::AcquireLockResponse>;

// A status as the service sends it.
CallStatus Refusal(grpc::StatusCode code, const std::string& reason,
                   std::chrono::nanoseconds retry_delay = {},
                   const std::string& domain = "latchkey");

template <typename Response>
Play<Response> Failing(const CallStatus& status) {
  return {.status = status};
}
template <typename Response>
Play<Response> Lost() {
  return {.delay = kNoAnswer};
}
template <typename Response>
Play<Response> Frozen() {
  return {.delay = kFrozen};
}

constexpr std::chrono::seconds kLease(30);

// A grant in mode EXECUTE with a full lease of 30 s.
GrantPlay Granted(std::uint64_t token = 7);
// A grant in mode RECOVER; RESEND_SAME_KEY while `resend_for` is not 0.
GrantPlay Recovering(std::uint64_t token = 7, std::chrono::nanoseconds resend_for = {});
GrantPlay AlreadyCompleted(v1::Result::Outcome outcome = v1::Result::SUCCEEDED,
                           const std::string& reference = "pay_1");
GrantPlay Contended(std::chrono::nanoseconds after = std::chrono::milliseconds(1));
Play<v1::RenewLeaseResponse> Renewed(std::chrono::nanoseconds lease = kLease);
// Stores whatever it is asked to.
Play<v1::RecordResultResponse> Recorded(const v1::RecordResultRequest& request);
Play<v1::ReleaseResponse> Released(v1::CheckResultResponse::State state);
Play<v1::CheckResultResponse> Checked(v1::CheckResultResponse::State state,
                                      const std::string& reference = "");

}  // namespace latchkey::inline client::internal
