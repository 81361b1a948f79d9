// What can be seen of the server from outside, which is all that it is judged by.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "latchkey/v1/admin.pb.h"
#include "latchkey/v1/coordination.pb.h"

namespace latchkey::simulation {

using Request =
    std::variant<v1::AcquireLockRequest, v1::RenewLeaseRequest, v1::CheckResultRequest,
                 v1::RecordResultRequest, v1::ReleaseRequest, v1::GetRecordRequest,
                 v1::ResolveOutcomeRequest, v1::ForceReleaseRequest, v1::DeleteRecordRequest>;

struct RefusedWith {
  std::string reason;  // empty: the caller was gone
  std::string status;  // all that is told
};

// How a heartbeat answers one lease is shown as the answer to a renewal.
using Response =
    std::variant<RefusedWith, v1::AcquireLockResponse, v1::RenewLeaseResponse,
                 v1::CheckResultResponse, v1::RecordResultResponse, v1::ReleaseResponse,
                 v1::GetRecordResponse, v1::ResolveOutcomeResponse, v1::ForceReleaseResponse,
                 v1::DeleteRecordResponse>;

// Told in the order in which it happens. Numbers of calls are never used twice.
class Boundary {
 public:
  virtual ~Boundary() = default;

  // The server has the request.
  virtual void OnArrived(std::uint64_t call, const Request& request) = 0;
  // The answer has left the server: it cannot be taken back, whether it arrives or not.
  virtual void OnAnswered(std::uint64_t call, const Response& response) = 0;
  // The server has been told that nobody waits for the answer any more; and `cut_off`: that nothing
  // can reach the caller.
  virtual void OnGone(std::uint64_t call, bool cut_off) = 0;
  virtual void OnLeaseLost(const v1::SessionResponse::LeaseLost& lost) = 0;
};

}  // namespace latchkey::simulation
