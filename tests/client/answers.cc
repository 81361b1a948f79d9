#include "answers.h"

#include "client/src/convert.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace latchkey::inline client::internal {

CallStatus Refusal(grpc::StatusCode code, const std::string& reason,
                   std::chrono::nanoseconds retry_delay, const std::string& domain) {
  google::rpc::Status status;
  status.set_code(code);
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain(domain);
  (*info.mutable_metadata())["key"] = "order:1";
  status.add_details()->PackFrom(info);
  if (retry_delay > std::chrono::nanoseconds(0)) {
    google::rpc::RetryInfo retry;
    *retry.mutable_retry_delay() = ToProto(retry_delay);
    status.add_details()->PackFrom(retry);
  }
  return {code, "refused: " + reason, status.SerializeAsString()};
}

GrantPlay Granted(std::uint64_t token) {
  GrantPlay play;
  v1::Grant& grant = *play.response.mutable_grant();
  grant.set_fencing_token(token);
  grant.set_mode(v1::Grant::EXECUTE);
  grant.set_attempt_number(1);
  *grant.mutable_lease_remaining() = ToProto(kLease);
  grant.set_downstream_idempotency_key("5d7c1a52-0000-5000-8000-000000000001");
  return play;
}

GrantPlay Recovering(std::uint64_t token, std::chrono::nanoseconds resend_for) {
  GrantPlay play = Granted(token);
  v1::Grant& grant = *play.response.mutable_grant();
  grant.set_mode(v1::Grant::RECOVER);
  const bool resend = resend_for > std::chrono::nanoseconds(0);
  grant.set_recover_action(resend ? v1::Grant::RESEND_SAME_KEY : v1::Grant::QUERY_ONLY);
  *grant.mutable_downstream_key_remaining() = ToProto(resend_for);
  grant.set_attempt_number(2);
  grant.set_checkpoint("half way");
  grant.set_previous_holder_id("worker-1");
  *grant.mutable_doubt_age() = ToProto(std::chrono::seconds(5));
  v1::LateOutcome& late = *grant.add_late_outcomes();
  late.set_fencing_token(3);
  late.set_outcome(v1::Result::SUCCEEDED);
  late.set_provider_reference("pay_0");
  return play;
}

GrantPlay AlreadyCompleted(v1::Result::Outcome outcome, const std::string& reference) {
  GrantPlay play;
  v1::Completed& completed = *play.response.mutable_completed();
  completed.mutable_result()->set_outcome(outcome);
  completed.mutable_result()->set_provider_reference(reference);
  completed.mutable_result()->set_payload("body");
  *completed.mutable_body_expires_in() = ToProto(std::chrono::hours(72));
  *completed.mutable_key_expires_in() = ToProto(std::chrono::hours(24 * 90));
  return play;
}

GrantPlay Contended(std::chrono::nanoseconds after) {
  GrantPlay play{.delay = after};
  v1::Contention& contention = *play.response.mutable_contention();
  contention.set_holder_id("worker-2");
  *contention.mutable_retry_after() = ToProto(std::chrono::seconds(3));
  contention.set_queue_position(2);
  contention.set_waiters(5);
  return play;
}

Play<v1::RenewLeaseResponse> Renewed(std::chrono::nanoseconds lease) {
  Play<v1::RenewLeaseResponse> play;
  *play.response.mutable_lease_remaining() = ToProto(lease);
  return play;
}

Play<v1::RecordResultResponse> Recorded(const v1::RecordResultRequest& request) {
  Play<v1::RecordResultResponse> play;
  v1::Result& result = *play.response.mutable_result();
  result.set_outcome(request.outcome());
  result.set_code(request.code());
  result.set_provider_reference(request.provider_reference());
  result.set_content_type(request.content_type());
  result.set_fencing_token(request.fencing_token());
  return play;
}

Play<v1::ReleaseResponse> Released(v1::CheckResultResponse::State state) {
  Play<v1::ReleaseResponse> play;
  play.response.set_state(state);
  return play;
}

Play<v1::CheckResultResponse> Checked(v1::CheckResultResponse::State state,
                                      const std::string& reference) {
  Play<v1::CheckResultResponse> play;
  play.response.set_state(state);
  if (state == v1::CheckResultResponse::COMPLETED) {
    play.response.mutable_result()->set_outcome(v1::Result::SUCCEEDED);
    play.response.mutable_result()->set_provider_reference(reference);
  }
  return play;
}

}  // namespace latchkey::inline client::internal
