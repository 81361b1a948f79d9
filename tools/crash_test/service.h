// Latchkey by stock stubs or over a session of the client library, with every call in a history.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "client/src/runtime.h"
#include "client/src/transport.h"
#include "latchkey/v1/admin.grpc.pb.h"
#include "latchkey/v1/coordination.grpc.pb.h"
#include "tools/crash_test/history.h"
#include <grpcpp/grpcpp.h>

namespace latchkey::crash {

using Milliseconds = std::chrono::milliseconds;

// The reason that the service gives in the details of a gRPC status; empty if it gives none.
std::string ReasonIn(const std::string& error_details);

// How a call ended.
template <class Response>
struct Answer {
  grpc::Status status;
  std::string reason;  // of the service's ErrorInfo; empty if there is none
  Response response;

  bool ok() const { return status.ok(); }
  // The service refused: repeating the call is no use.
  bool refused() const;
};

// Thread-safe. A call is sent once: who wants it repeated repeats it.
class Service {
 public:
  // The history outlives the service. `over_session`: what a session has goes over one.
  Service(const std::string& address, History& history, bool over_session);
  ~Service();

  Answer<v1::AcquireLockResponse> Call(const v1::AcquireLockRequest& request,
                                       Milliseconds patience);
  Answer<v1::RenewLeaseResponse> Call(const v1::RenewLeaseRequest& request, Milliseconds patience);
  Answer<v1::CheckResultResponse> Call(const v1::CheckResultRequest& request,
                                       Milliseconds patience);
  Answer<v1::RecordResultResponse> Call(const v1::RecordResultRequest& request,
                                        Milliseconds patience);
  Answer<v1::ReleaseResponse> Call(const v1::ReleaseRequest& request, Milliseconds patience);
  Answer<v1::IssueKeyResponse> Call(const v1::IssueKeyRequest& request, Milliseconds patience);
  Answer<v1::GetRecordResponse> Call(const v1::GetRecordRequest& request, Milliseconds patience);
  Answer<v1::ListRecordsResponse> Call(const v1::ListRecordsRequest& request,
                                       Milliseconds patience);
  Answer<v1::ResolveOutcomeResponse> Call(const v1::ResolveOutcomeRequest& request,
                                          Milliseconds patience);
  Answer<v1::ForceReleaseResponse> Call(const v1::ForceReleaseRequest& request,
                                        Milliseconds patience);
  Answer<v1::DeleteRecordResponse> Call(const v1::DeleteRecordRequest& request,
                                        Milliseconds patience);

 private:
  template <class Stub, class Request, class Response>
  Answer<Response> Send(const char* name, Stub& stub,
                        grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                     Response*),
                        const Request& request, Milliseconds patience);

  template <class Request, class Response>
  Answer<Response> Send(
      const char* name,
      grpc::Status (v1::CoordinationService::Stub::*method)(grpc::ClientContext*, const Request&,
                                                            Response*),
      void (client::internal::Transport::*over_session)(Request, client::internal::TryLimits,
                                                        client::internal::Done<Response>),
      const Request& request, Milliseconds patience);
  template <class Response>
  Answer<Response> Note(const std::string& id, Answer<Response> answer);

  History& history_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::CoordinationService::Stub> coordination_;
  const std::unique_ptr<v1::AdminService::Stub> admin_;
  const std::shared_ptr<client::internal::Runtime> runtime_;
  // Null: everything is unary.
  const std::shared_ptr<client::internal::Transport> session_;
};

template <class Response>
bool Answer<Response>::refused() const {
  return !reason.empty() && (status.error_code() == grpc::StatusCode::FAILED_PRECONDITION ||
                             status.error_code() == grpc::StatusCode::NOT_FOUND ||
                             status.error_code() == grpc::StatusCode::INVALID_ARGUMENT);
}

}  // namespace latchkey::crash
