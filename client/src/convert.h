// Between the API's messages and plain values. Answers that make no sense become nothing, so that
// the caller fails closed.
#pragma once

#include <chrono>
#include <optional>

#include "connection.h"
#include "latchkey/v1/coordination.pb.h"

namespace latchkey::inline client::internal {

// Negative ones become 0 and absurd ones a century, so that arithmetic with them stays defined.
std::chrono::nanoseconds FromProto(const google::protobuf::Duration& duration);
google::protobuf::Duration ToProto(std::chrono::nanoseconds duration);

// When a call was sent, and its answer was there.
struct Exchange {
  BootClock::time_point sent_at;
  BootClock::time_point answered_at;
};

// Invariant L5: the service counts the lease from the call's arrival at the earliest, which is no
// earlier than `sent_at`, and its clock may run up to 1% faster than ours. What cannot be true
// (more time spent in the service than has passed, more left than any lease has) is cut to what
// can.
Validity ToValidity(const Exchange& exchange, const google::protobuf::Duration& server_elapsed,
                    const google::protobuf::Duration& lease_remaining);

// Without attempt_id and wait_timeout, which are the tries' own.
v1::AcquireLockRequest ToRequest(const AcquireCall& call);
v1::RenewLeaseRequest ToRequest(const RenewCall& call);
v1::RecordResultRequest ToRequest(const RecordCall& call);
v1::ReleaseRequest ToRequest(const ReleaseCall& call);
// Without wait_timeout.
v1::CheckResultRequest ToRequest(const CheckCall& call);
v1::IssueKeyRequest ToRequest(const IssueCall& call);

// The call that `request` was made of, without a deadline; none if it makes no sense.
std::optional<RecordCall> ToCall(const v1::RecordResultRequest& request);

AcquireReply ToReply(const v1::AcquireLockResponse& response, const Exchange& exchange);
Answer<KeyStatus> ToStatus(const v1::CheckResultResponse& response);
Answer<KeyStatus::State> ToState(v1::CheckResultResponse::State state);
Answer<std::string> ToKey(const v1::IssueKeyResponse& response);
// The stored result after recording `outcome`: the reply does not carry the payload back.
Answer<StoredResult> ToRecorded(const v1::RecordResultResponse& response, const Outcome& outcome);

}  // namespace latchkey::inline client::internal
