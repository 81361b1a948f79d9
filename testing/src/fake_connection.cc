#include "testing/src/fake_connection.h"

namespace latchkey::testing_internal {
namespace {

Error Stopped() {
  return {.kind = Error::Kind::kUnavailable,
          .reason = "CANCELLED",
          .message = "the caller asked to stop"};
}

}  // namespace

void FakeConnection::AcquireLock(internal::AcquireCall call,
                                 Callback<internal::AcquireReply> callback) {
  if (call.options.stop.stop_requested()) return callback(Stopped());
  callback(script_->Acquire(call, runtime_->Now()));
}

void FakeConnection::RenewLease(internal::RenewCall call,
                                Callback<Answer<internal::Validity>> callback) {
  callback(script_->Renew(call, runtime_->Now()));
}

void FakeConnection::RecordResult(internal::RecordCall call,
                                  Callback<Answer<StoredResult>> callback) {
  callback(script_->Record(call));
}

void FakeConnection::Release(internal::ReleaseCall call,
                             Callback<Answer<KeyStatus::State>> callback) {
  callback(script_->Release(call));
}

void FakeConnection::CheckResult(internal::CheckCall call, Callback<Answer<KeyStatus>> callback) {
  if (call.options.stop.stop_requested()) return callback(Stopped());
  callback(script_->Check(call));
}

void FakeConnection::IssueKey(internal::IssueCall call, Callback<Answer<std::string>> callback) {
  if (call.options.stop.stop_requested()) return callback(Stopped());
  callback(script_->Issue());
}

}  // namespace latchkey::testing_internal
