// The coordination API over gRPC. Validates and hands on; decides nothing.
#pragma once

#include "latchkey/v1/coordination.grpc.pb.h"
#include "server/calls/call_environment.h"
#include "server/service/session_streams.h"

namespace latchkey {

// Every call by callbacks, and Session as bytes: see session_streams.h.
using CoordinationCallbacks = v1::CoordinationService::WithCallbackMethod_AcquireLock<
    v1::CoordinationService::WithCallbackMethod_RenewLease<
        v1::CoordinationService::WithCallbackMethod_CheckResult<
            v1::CoordinationService::WithCallbackMethod_RecordResult<
                v1::CoordinationService::WithCallbackMethod_Release<
                    v1::CoordinationService::WithCallbackMethod_IssueKey<
                        v1::CoordinationService::WithRawCallbackMethod_Session<
                            v1::CoordinationService::Service>>>>>>>;

// Thread-safe; the methods never block.
class CoordinationService final : public CoordinationCallbacks {
 public:
  explicit CoordinationService(const CallEnvironment& environment)
      : environment_(environment), sessions_(environment) {}

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
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Session(
      grpc::CallbackServerContext* context) override;

  SessionStreams& sessions() { return sessions_; }
  const SessionStreams& sessions() const { return sessions_; }

 private:
  const CallEnvironment& environment_;
  SessionStreams sessions_;
};

}  // namespace latchkey
