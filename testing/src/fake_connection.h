// A Client's connection to a FakeService.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "client/src/connection.h"
#include "testing/src/script.h"
#include "testing/src/still_runtime.h"

namespace latchkey::testing_internal {

// Answers every call before it returns.
class FakeConnection final : public internal::Connection {
 public:
  explicit FakeConnection(std::shared_ptr<Script> script)
      : script_(std::move(script)), runtime_(script_->MakeRuntime()) {}

  void AcquireLock(internal::AcquireCall call, Callback<internal::AcquireReply> callback) override;
  void RenewLease(internal::RenewCall call, Callback<Answer<internal::Validity>> callback) override;
  void RecordResult(internal::RecordCall call, Callback<Answer<StoredResult>> callback) override;
  void Release(internal::ReleaseCall call, Callback<Answer<KeyStatus::State>> callback) override;
  void CheckResult(internal::CheckCall call, Callback<Answer<KeyStatus>> callback) override;
  void IssueKey(internal::IssueCall call, Callback<Answer<std::string>> callback) override;

  const std::shared_ptr<internal::Runtime>& runtime() const override { return runtime_; }
  void Close() override { runtime_->Stop(); }

 private:
  const std::shared_ptr<Script> script_;
  const std::shared_ptr<internal::Runtime> runtime_;
};

}  // namespace latchkey::testing_internal
