// The network of a client of the library, with every try that the library makes in a history.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "client/src/transport.h"
#include "tools/crash_test/history.h"
#include "tools/crash_test/service.h"

namespace latchkey::faults {

class RecordingTransport final : public client::internal::Transport {
 public:
  using Limits = client::internal::TryLimits;
  using CallStatus = client::internal::CallStatus;
  template <class Response>
  using Done = client::internal::Done<Response>;

  // The history outlives everything that is begun here.
  RecordingTransport(std::shared_ptr<Transport> network, crash::History& history)
      : network_(std::move(network)), history_(history) {}

  void AcquireLock(v1::AcquireLockRequest request, Limits limits,
                   Done<v1::AcquireLockResponse> done) override {
    Record("AcquireLock", &Transport::AcquireLock, request, limits, std::move(done));
  }
  void RenewLease(v1::RenewLeaseRequest request, Limits limits,
                  Done<v1::RenewLeaseResponse> done) override {
    Record("RenewLease", &Transport::RenewLease, request, limits, std::move(done));
  }
  void CheckResult(v1::CheckResultRequest request, Limits limits,
                   Done<v1::CheckResultResponse> done) override {
    Record("CheckResult", &Transport::CheckResult, request, limits, std::move(done));
  }
  void RecordResult(v1::RecordResultRequest request, Limits limits,
                    Done<v1::RecordResultResponse> done) override {
    Record("RecordResult", &Transport::RecordResult, request, limits, std::move(done));
  }
  void Release(v1::ReleaseRequest request, Limits limits, Done<v1::ReleaseResponse> done) override {
    Record("Release", &Transport::Release, request, limits, std::move(done));
  }
  void IssueKey(v1::IssueKeyRequest request, Limits limits,
                Done<v1::IssueKeyResponse> done) override {
    Record("IssueKey", &Transport::IssueKey, request, limits, std::move(done));
  }
  void SetLostListener(const client::internal::LostListener& listener) override {
    network_->SetLostListener(listener);
  }
  void Shutdown() override { network_->Shutdown(); }

 private:
  template <class Request, class Response>
  using Method = void (Transport::*)(Request, Limits, Done<Response>);

  template <class Request, class Response>
  void Record(const char* name, Method<Request, Response> method, const Request& request,
              const Limits& limits, Done<Response> done) {
    const std::string id = history_.Begin(name, request);
    ((*network_).*method)(request, limits,
                          [&history = history_, id, done = std::move(done)](
                              const CallStatus& status, Response response) {
                            const std::int64_t at = crash::MonotonicNanos();
                            if (status.code == grpc::StatusCode::OK) {
                              history.EndWithReply(id, at, response);
                            } else {
                              history.EndWithStatus(id, at, status.code,
                                                    crash::ReasonIn(status.details),
                                                    status.message);
                            }
                            done(status, std::move(response));
                          });
  }

  const std::shared_ptr<Transport> network_;
  crash::History& history_;
};

}  // namespace latchkey::faults
