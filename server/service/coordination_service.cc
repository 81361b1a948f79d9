#include "server/service/coordination_service.h"

#include "server/service/at_once.h"
#include "server/service/unary_call.h"
#include "server/service/uuid7.h"

namespace latchkey {

grpc::ServerUnaryReactor* CoordinationService::AcquireLock(grpc::CallbackServerContext*,
                                                           const v1::AcquireLockRequest* request,
                                                           v1::AcquireLockResponse* response) {
  return StartUnary(environment_, *request, response);
}

grpc::ServerUnaryReactor* CoordinationService::RenewLease(grpc::CallbackServerContext*,
                                                          const v1::RenewLeaseRequest* request,
                                                          v1::RenewLeaseResponse* response) {
  return StartUnary(environment_, *request, response);
}

grpc::ServerUnaryReactor* CoordinationService::CheckResult(grpc::CallbackServerContext*,
                                                           const v1::CheckResultRequest* request,
                                                           v1::CheckResultResponse* response) {
  return StartUnary(environment_, *request, response);
}

grpc::ServerUnaryReactor* CoordinationService::RecordResult(grpc::CallbackServerContext*,
                                                            const v1::RecordResultRequest* request,
                                                            v1::RecordResultResponse* response) {
  return StartUnary(environment_, *request, response);
}

grpc::ServerUnaryReactor* CoordinationService::Release(grpc::CallbackServerContext*,
                                                       const v1::ReleaseRequest* request,
                                                       v1::ReleaseResponse* response) {
  return StartUnary(environment_, *request, response);
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

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* CoordinationService::Session(
    grpc::CallbackServerContext* context) {
  return sessions_.Open(*context);
}

}  // namespace latchkey
