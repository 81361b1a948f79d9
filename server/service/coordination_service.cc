#include "server/service/coordination_service.h"

#include "server/service/not_implemented.h"
#include "server/service/uuid7.h"

namespace latchkey {

grpc::ServerUnaryReactor* CoordinationService::AcquireLock(grpc::CallbackServerContext*,
                                                           const v1::AcquireLockRequest* request,
                                                           v1::AcquireLockResponse* response) {
  return environment_.Start(*request, response);
}

grpc::ServerUnaryReactor* CoordinationService::RenewLease(grpc::CallbackServerContext*,
                                                          const v1::RenewLeaseRequest* request,
                                                          v1::RenewLeaseResponse* response) {
  return environment_.Start(*request, response);
}

grpc::ServerUnaryReactor* CoordinationService::CheckResult(grpc::CallbackServerContext*,
                                                           const v1::CheckResultRequest* request,
                                                           v1::CheckResultResponse* response) {
  return environment_.Start(*request, response);
}

grpc::ServerUnaryReactor* CoordinationService::RecordResult(grpc::CallbackServerContext*,
                                                            const v1::RecordResultRequest* request,
                                                            v1::RecordResultResponse* response) {
  return environment_.Start(*request, response);
}

grpc::ServerUnaryReactor* CoordinationService::Release(grpc::CallbackServerContext*,
                                                       const v1::ReleaseRequest* request,
                                                       v1::ReleaseResponse* response) {
  return environment_.Start(*request, response);
}

grpc::ServerUnaryReactor* CoordinationService::IssueKey(grpc::CallbackServerContext* context,
                                                        const v1::IssueKeyRequest* request,
                                                        v1::IssueKeyResponse* response) {
  if (auto refusal = environment_.Check(*request)) {
    return FinishAtOnce(context, ToGrpcStatus(*refusal));
  }
  if (auto refusal = environment_.NotServing()) {
    return FinishAtOnce(context, ToGrpcStatus(*refusal));
  }
  response->set_key(NewUuid7(environment_.clock.Wall()));
  return FinishAtOnce(context, grpc::Status::OK);
}

grpc::ServerBidiReactor<v1::SessionRequest, v1::SessionResponse>* CoordinationService::Session(
    grpc::CallbackServerContext*) {
  using Reactor = grpc::ServerBidiReactor<v1::SessionRequest, v1::SessionResponse>;
  return new EndedStream<Reactor>(NotImplemented("Session"));
}

}  // namespace latchkey
