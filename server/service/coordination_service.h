// The coordination API over gRPC. Validates and hands on; decides nothing.
#pragma once

#include "latchkey/v1/coordination.grpc.pb.h"
#include "server/service/service_environment.h"

namespace latchkey {

// Thread-safe; the methods never block.
class CoordinationService final : public v1::CoordinationService::CallbackService {
 public:
  explicit CoordinationService(const ServiceEnvironment& environment) : environment_(environment) {}

  grpc::ServerUnaryReactor* AcquireLock(grpc::CallbackServerContext* context,
                                        const v1::AcquireLockRequest* request,
                                        v1::AcquireLockResponse* response) override;
  grpc::ServerUnaryReactor* RenewLease(grpc::CallbackServerContext* context,
                                       const v1::RenewLeaseRequest* request,
                                       v1::RenewLeaseResponse* response) override;
  grpc::ServerUnaryReactor* CheckResult(grpc::CallbackServerContext* context,
                                        const v1::CheckResultRequest* request,
                                        v1::CheckResultResponse* response) override;
  grpc::ServerUnaryReactor* RecordResult(grpc::CallbackServerContext* context,
                                         const v1::RecordResultRequest* request,
                                         v1::RecordResultResponse* response) override;
  grpc::ServerUnaryReactor* Release(grpc::CallbackServerContext* context,
                                    const v1::ReleaseRequest* request,
                                    v1::ReleaseResponse* response) override;
  grpc::ServerUnaryReactor* IssueKey(grpc::CallbackServerContext* context,
                                     const v1::IssueKeyRequest* request,
                                     v1::IssueKeyResponse* response) override;
  grpc::ServerBidiReactor<v1::SessionRequest, v1::SessionResponse>* Session(
      grpc::CallbackServerContext* context) override;

 private:
  const ServiceEnvironment& environment_;
};

}  // namespace latchkey
