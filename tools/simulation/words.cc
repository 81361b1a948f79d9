#include "tools/simulation/words.h"

#include "server/machine/proto_time.h"

namespace latchkey::simulation {
namespace {

std::string Millis(const google::protobuf::Duration& duration) {
  return std::to_string(SpanOf(duration) / std::chrono::milliseconds(1)) + "ms";
}

std::string Words(const v1::AcquireLockRequest& request) {
  return "acquire " + request.key() + " attempt " + request.attempt_id() + " lease " +
         Millis(request.lease_duration()) + " wait " + Millis(request.wait_timeout()) + " " +
         v1::AcquireLockRequest::OnLapse_Name(request.on_lapse()) +
         (request.accept_recover() ? " recovers" : "");
}
std::string Words(const v1::RenewLeaseRequest& request) {
  return "renew " + request.key() + " token " + std::to_string(request.fencing_token()) +
         (request.effect_started() ? " mark" : "") +
         (request.has_checkpoint() ? " checkpoint" : "");
}
std::string Words(const v1::CheckResultRequest& request) {
  return "check " + request.key() + " wait " + Millis(request.wait_timeout());
}
std::string Words(const v1::RecordResultRequest& request) {
  return "record " + request.key() + " token " + std::to_string(request.fencing_token()) + " " +
         request.provider_reference();
}
std::string Words(const v1::ReleaseRequest& request) {
  return "release " + request.key() + " token " + std::to_string(request.fencing_token()) + " " +
         request.attempt_id() + " " + v1::ReleaseRequest::Effect_Name(request.effect());
}
std::string Words(const v1::GetRecordRequest& request) { return "get " + request.key(); }
template <class Request>
std::string Words(const Request& request) {
  return Request::descriptor()->name() + " " + request.key() + " token " +
         std::to_string(request.expected_fencing_token());
}

std::string Words(const RefusedWith& refused) { return "refused " + refused.reason; }
std::string Words(const v1::AcquireLockResponse& response) {
  if (response.has_completed()) return "completed";
  if (response.has_contention()) {
    return "contention with " + response.contention().holder_id() +
           (response.contention().in_doubt() ? " in doubt" : "");
  }
  const auto& grant = response.grant();
  return "granted token " + std::to_string(grant.fencing_token()) + " " +
         v1::Grant::Mode_Name(grant.mode()) + " number " + std::to_string(grant.attempt_number()) +
         " for " + Millis(grant.lease_remaining()) + (grant.replayed() ? " replayed" : "");
}
std::string Words(const v1::RenewLeaseResponse& response) {
  return "renewed for " + Millis(response.lease_remaining());
}
std::string Words(const v1::CheckResultResponse& response) {
  return v1::CheckResultResponse::State_Name(response.state()) + " " + response.holder_id();
}
std::string Words(const v1::RecordResultResponse& response) {
  return std::string("recorded") + (response.late() ? " late" : "") +
         (response.already_recorded() ? " already" : "");
}
std::string Words(const v1::ReleaseResponse& response) {
  return "released: " + v1::CheckResultResponse::State_Name(response.state());
}
std::string Words(const v1::DeleteRecordResponse&) { return "deleted"; }
std::string Words(const v1::ForceReleaseResponse& response) {
  return "forced: " + v1::CheckResultResponse::State_Name(response.state());
}
std::string Words(const v1::GetRecordResponse& response) {
  return v1::CheckResultResponse::State_Name(response.record().state()) + " token " +
         std::to_string(response.record().fencing_token());
}
std::string Words(const v1::ResolveOutcomeResponse& response) {
  return "resolved: " + v1::CheckResultResponse::State_Name(response.record().state());
}

}  // namespace

std::string InWords(const Request& request) {
  return std::visit([](const auto& asked) { return Words(asked); }, request);
}

std::string InWords(const Response& response) {
  return std::visit([](const auto& said) { return Words(said); }, response);
}

std::uint64_t TokenOf(const Request& request) {
  return std::visit(
      [](const auto& asked) -> std::uint64_t {
        if constexpr (requires { asked.fencing_token(); }) return asked.fencing_token();
        if constexpr (requires { asked.expected_fencing_token(); }) {
          return asked.expected_fencing_token();
        }
        return 0;
      },
      request);
}

Duration WaitOf(const v1::AcquireLockRequest& request) { return SpanOf(request.wait_timeout()); }

Duration SpanOf(const google::protobuf::Duration& duration) {
  return FromProto(duration).value_or(Duration::zero());
}

}  // namespace latchkey::simulation
