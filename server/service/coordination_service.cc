#include "server/service/coordination_service.h"

#include "server/service/at_once.h"
#include "server/service/unary_call.h"
#include "server/service/uuid7.h"

namespace latchkey {

grpc::ServerUnaryReactor* CoordinationService::AcquireLock(grpc::CallbackServerContext* context,
                                                           const v1::AcquireLockRequest* request,
                                                           v1::AcquireLockResponse* response) {
  return StartUnary(environment_, *context, *request, response);
}

grpc::ServerUnaryReactor* CoordinationService::RenewLease(grpc::CallbackServerContext* context,
                                                          const v1::RenewLeaseRequest* request,
                                                          v1::RenewLeaseResponse* response) {
  return StartUnary(environment_, *context, *request, response);
}

grpc::ServerUnaryReactor* CoordinationService::CheckResult(grpc::CallbackServerContext* context,
                                                           const v1::CheckResultRequest* request,
                                                           v1::CheckResultResponse* response) {
  return StartUnary(environment_, *context, *request, response);
}

grpc::ServerUnaryReactor* CoordinationService::RecordResult(grpc::CallbackServerContext* context,
                                                            const v1::RecordResultRequest* request,
                                                            v1::RecordResultResponse* response) {
  return StartUnary(environment_, *context, *request, response);
}

grpc::ServerUnaryReactor* CoordinationService::Release(grpc::CallbackServerContext* context,
                                                       const v1::ReleaseRequest* request,
                                                       v1::ReleaseResponse* response) {
  return StartUnary(environment_, *context, *request, response);
}

grpc::ServerUnaryReactor* CoordinationService::IssueKey(grpc::CallbackServerContext* context,
                                                        const v1::IssueKeyRequest* request,
                                                        v1::IssueKeyResponse* response) {
  const MonotonicTime arrived = environment_.clock.Monotonic();
  Caller caller = CallerOf(environment_.access, *context);
  auto refusal = environment_.Check(*request, caller);
  if (!refusal.has_value()) refusal = environment_.NotServing();
  if (!refusal.has_value()) response->set_key(NewUuid7(environment_.clock.Wall()));
  environment_.Answered(Rpc::kIssueKey, arrived, refusal);
  return FinishAtOnce(context, refusal.has_value() ? ToGrpcStatus(*refusal) : grpc::Status::OK);
}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* CoordinationService::Session(
    grpc::CallbackServerContext* context) {
  return sessions_.Open(*context);
}

}  // namespace latchkey
