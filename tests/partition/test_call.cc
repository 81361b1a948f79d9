#include "tests/partition/test_call.h"

namespace latchkey {

void RememberingCall::Finish(std::optional<Refusal> refusal) {
  refusal_ = std::move(refusal);
  ++times_finished_;
  if (on_finish) on_finish();
}

void RememberingCall::FinishShared(std::shared_ptr<const google::protobuf::Message> response) {
  Take(*response);
  shared_ = std::move(response);
  Finish(std::nullopt);
}

v1::AcquireLockRequest Acquire(const std::string& key, const std::string& attempt_id,
                               Duration lease) {
  v1::AcquireLockRequest request;
  request.set_key(key);
  request.set_attempt_id(attempt_id);
  request.set_holder_id(attempt_id);
  SetProto(lease, request.mutable_lease_duration());
  return request;
}

v1::AcquireLockRequest Await(const std::string& key, const std::string& attempt_id, Duration wait) {
  v1::AcquireLockRequest request = Acquire(key, attempt_id);
  SetProto(wait, request.mutable_wait_timeout());
  return request;
}

v1::AcquireLockRequest Mutexed(v1::AcquireLockRequest request) {
  request.set_on_lapse(v1::AcquireLockRequest::FORGET);
  return request;
}

v1::AcquireLockRequest AcceptingRecover(v1::AcquireLockRequest request) {
  request.set_accept_recover(true);
  return request;
}

v1::AcquireLockRequest Fingerprinted(v1::AcquireLockRequest request, const std::string& digest) {
  request.set_fingerprint(digest);
  return request;
}

v1::CheckResultRequest Check(const std::string& key, Duration wait) {
  v1::CheckResultRequest request;
  request.set_key(key);
  SetProto(wait, request.mutable_wait_timeout());
  return request;
}

v1::RenewLeaseRequest Renew(const std::string& key, std::uint64_t token) {
  v1::RenewLeaseRequest request;
  request.set_key(key);
  request.set_fencing_token(token);
  return request;
}

v1::RenewLeaseRequest RenewFor(const std::string& key, std::uint64_t token, Duration lease) {
  v1::RenewLeaseRequest request = Renew(key, token);
  SetProto(lease, request.mutable_lease_duration());
  return request;
}

v1::RecordResultRequest Succeed(const std::string& key, std::uint64_t token,
                                const std::string& reference) {
  v1::RecordResultRequest request;
  request.set_key(key);
  request.set_fencing_token(token);
  request.set_outcome(v1::Result::SUCCEEDED);
  request.set_provider_reference(reference);
  return request;
}

v1::ReleaseRequest Release(const std::string& key, std::uint64_t token,
                           v1::ReleaseRequest::Effect effect) {
  v1::ReleaseRequest request;
  request.set_key(key);
  request.set_fencing_token(token);
  request.set_effect(effect);
  return request;
}

v1::ReleaseRequest GiveUp(const std::string& key, const std::string& attempt_id) {
  v1::ReleaseRequest request;
  request.set_key(key);
  request.set_attempt_id(attempt_id);
  return request;
}

v1::GetRecordRequest Get(const std::string& key) {
  v1::GetRecordRequest request;
  request.set_key(key);
  return request;
}

v1::ForceReleaseRequest Force(const std::string& key, std::uint64_t token) {
  v1::ForceReleaseRequest request;
  request.set_key(key);
  request.set_expected_fencing_token(token);
  request.set_actor("operator");
  request.set_reason("test");
  return request;
}

v1::DeleteRecordRequest Delete(const std::string& key, std::uint64_t token) {
  v1::DeleteRecordRequest request;
  request.set_key(key);
  request.set_expected_fencing_token(token);
  request.set_actor("operator");
  request.set_reason("test");
  return request;
}

v1::ResolveOutcomeRequest Resolve(const std::string& key, std::uint64_t token,
                                  v1::ResolveOutcomeRequest::Outcome outcome) {
  v1::ResolveOutcomeRequest request;
  request.set_key(key);
  request.set_expected_fencing_token(token);
  request.set_actor("operator");
  request.set_reason("test");
  request.set_outcome(outcome);
  return request;
}

}  // namespace latchkey
