// The network as the client sees it: one try of one RPC, asynchronous.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include "latchkey/v1/coordination.pb.h"
#include <grpcpp/support/status_code_enum.h>

namespace latchkey::inline client::internal {

// How a try ended, as gRPC tells it.
struct CallStatus {
  grpc::StatusCode code = grpc::StatusCode::OK;
  std::string message = {};
  // A serialised google.rpc.Status, or empty.
  std::string details = {};
};

// What ends a try early.
struct TryLimits {
  std::chrono::nanoseconds timeout;
  std::stop_token stop = {};
};

// Called exactly once for each try, from any thread, possibly before the call that began it
// returns. Must neither block nor throw. The response means something only with OK.
template <typename Response>
using Done = std::function<void(const CallStatus&, Response)>;

// Called when the service says that a lease has ended without its holder's word: its token, and a
// refusal's reason. Like Done otherwise.
using LostListener = std::function<void(std::uint64_t fencing_token, const std::string& reason)>;

// Thread-safe. A try ends with DEADLINE_EXCEEDED soon after its time-out, and with CANCELLED soon
// after it was asked to stop.
class Transport {
 public:
  virtual ~Transport() = default;

  virtual void AcquireLock(v1::AcquireLockRequest request, TryLimits limits,
                           Done<v1::AcquireLockResponse> done) = 0;
  virtual void RenewLease(v1::RenewLeaseRequest request, TryLimits limits,
                          Done<v1::RenewLeaseResponse> done) = 0;
  virtual void CheckResult(v1::CheckResultRequest request, TryLimits limits,
                           Done<v1::CheckResultResponse> done) = 0;
  virtual void RecordResult(v1::RecordResultRequest request, TryLimits limits,
                            Done<v1::RecordResultResponse> done) = 0;
  virtual void Release(v1::ReleaseRequest request, TryLimits limits,
                       Done<v1::ReleaseResponse> done) = 0;
  virtual void IssueKey(v1::IssueKeyRequest request, TryLimits limits,
                        Done<v1::IssueKeyResponse> done) = 0;

  // Before the first call. Not every transport hears of losses.
  virtual void SetLostListener(const LostListener& /*listener*/) {}

  // Ends everything under way with CANCELLED, and everything begun later at once. Returns within
  // about a second. Repeatable.
  virtual void Shutdown() = 0;
};

}  // namespace latchkey::inline client::internal
