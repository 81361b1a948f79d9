#include "server/service/grpc_status.h"

#include "server/calls/rpc_status.h"
#include <google/rpc/status.pb.h>
#include <grpcpp/support/status.h>

namespace latchkey {

grpc::Status ToGrpcStatus(const Refusal& refusal) {
  const google::rpc::Status status = ToRpcStatus(refusal);
  return {static_cast<grpc::StatusCode>(status.code()), status.message(),
          status.details().empty() ? "" : status.SerializeAsString()};
}

}  // namespace latchkey
