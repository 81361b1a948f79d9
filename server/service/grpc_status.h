// A refusal as the status of a gRPC call.
#pragma once

#include "server/machine/refusal.h"

namespace grpc {
class Status;
}

namespace latchkey {

// What rpc_status.h makes of it, with the details where gRPC carries them.
grpc::Status ToGrpcStatus(const Refusal& refusal);

}  // namespace latchkey
