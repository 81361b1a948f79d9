#include "tests/simulation/story.h"

#include <variant>

#include "storage/store_key.h"

namespace latchkey::simulation {

using std::chrono::milliseconds;

v1::AcquireLockRequest Acquire(const std::string& attempt, int lease_ms) {
  v1::AcquireLockRequest request;
  request.set_key(kKey);
  request.set_attempt_id(attempt);
  request.set_holder_id(attempt);
  request.set_accept_recover(true);
  SetProto(milliseconds(lease_ms), request.mutable_lease_duration());
  return request;
}

v1::RenewLeaseRequest Renew(std::uint64_t token) {
  v1::RenewLeaseRequest request;
  request.set_key(kKey);
  request.set_fencing_token(token);
  return request;
}

v1::RecordResultRequest Record(std::uint64_t token, const std::string& reference) {
  v1::RecordResultRequest request;
  request.set_key(kKey);
  request.set_fencing_token(token);
  request.set_outcome(v1::Result::SUCCEEDED);
  request.set_provider_reference(reference);
  return request;
}

v1::ReleaseRequest Release(std::uint64_t token, v1::ReleaseRequest::Effect effect) {
  v1::ReleaseRequest request;
  request.set_key(kKey);
  request.set_fencing_token(token);
  request.set_effect(effect);
  return request;
}

v1::CheckResultRequest Check() {
  v1::CheckResultRequest request;
  request.set_key(kKey);
  return request;
}

v1::Result ResultOf(std::uint64_t token, const std::string& reference) {
  v1::Result result;
  result.set_outcome(v1::Result::SUCCEEDED);
  result.set_provider_reference(reference);
  result.set_fencing_token(token);
  return result;
}

Story::Story()
    : checker_(
          scheduler_, trace_, server_, [](const std::string&) { return Checker::Rules(); },
          [this](const std::string& invariant, const std::string& what) {
            if (violation_.empty()) violation_ = invariant + " " + what;
          },
          [this](const std::string&, std::uint64_t below) {
            return believed_ < below ? believed_ : 0;
          }) {
  checker_.OnServing();
}

std::uint64_t Story::Ask(const Request& request) {
  checker_.OnArrived(++calls_, request);
  arrived_[calls_] = scheduler_.now();
  if (const auto* acquire = std::get_if<v1::AcquireLockRequest>(&request)) {
    leases_[calls_] = *FromProto(acquire->lease_duration());
  }
  return calls_;
}

void Story::Grant(std::uint64_t call, std::uint64_t token, const GrantOptions& options) {
  v1::AcquireLockResponse response;
  SetProto(scheduler_.now() - arrived_[call], response.mutable_server_elapsed());
  auto& grant = *response.mutable_grant();
  grant.set_fencing_token(token);
  grant.set_mode(options.mode);
  grant.set_attempt_number(options.number);
  grant.set_replayed(options.replayed);
  grant.set_checkpoint(options.checkpoint);
  grant.set_downstream_idempotency_key(options.downstream_key);
  SetProto(options.remaining_ms ? milliseconds(*options.remaining_ms) : leases_[call],
           grant.mutable_lease_remaining());
  checker_.OnAnswered(call, response);
}

void Story::Completed(std::uint64_t call, const v1::Result& result) {
  v1::AcquireLockResponse response;
  *response.mutable_completed()->mutable_result() = result;
  checker_.OnAnswered(call, response);
}

void Story::Contend(std::uint64_t call, const std::string& holder, bool in_doubt) {
  v1::AcquireLockResponse response;
  response.mutable_contention()->set_holder_id(holder);
  response.mutable_contention()->set_in_doubt(in_doubt);
  checker_.OnAnswered(call, response);
}

void Story::Renewed(std::uint64_t call, int remaining_ms) {
  v1::RenewLeaseResponse response;
  SetProto(milliseconds(remaining_ms), response.mutable_lease_remaining());
  checker_.OnAnswered(call, response);
}

void Story::Recorded(std::uint64_t call, const v1::Result& result) {
  v1::RecordResultResponse response;
  *response.mutable_result() = result;
  checker_.OnAnswered(call, response);
}

void Story::Answer(std::uint64_t call, v1::CheckResultResponse::State state,
                   const std::string& holder) {
  v1::CheckResultResponse response;
  response.set_state(state);
  response.set_holder_id(holder);
  checker_.OnAnswered(call, response);
}

void Story::Released(std::uint64_t call, v1::CheckResultResponse::State state) {
  v1::ReleaseResponse response;
  response.set_state(state);
  checker_.OnAnswered(call, response);
}

void Story::Refuse(std::uint64_t call, const std::string& reason, const std::string& text) {
  checker_.OnAnswered(call, RefusedWith{reason, text});
}

void Story::Lost(std::uint64_t token) {
  v1::SessionResponse::LeaseLost lost;
  lost.set_namespace_("default");
  lost.set_key(kKey);
  lost.set_fencing_token(token);
  checker_.OnLeaseLost(lost);
}

void Story::Restart() {
  checker_.OnServerDied();
  checker_.OnServing();
}

void Story::Write(std::uint64_t token, const std::string& attempt) {
  storage::Record record;
  record.set_state(v1::CheckResultResponse::HELD);
  record.set_fencing_token(token);
  record.set_attempt_id(attempt);
  checker_.OnStepBegins();
  checker_.OnWritten(storage::MakeStoreKey("default", kKey), &record);
  checker_.OnStepEnds();
}

}  // namespace latchkey::simulation
