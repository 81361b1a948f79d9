// Who makes a gRPC call.
#pragma once

#include "server/access/caller.h"

namespace grpc {
class ServerContextBase;
}

namespace latchkey {

// By the bearer token of its metadata, or the certificate of its connection. `access` outlives it;
// null: nobody is asked.
Caller CallerOf(const Access* access, const grpc::ServerContextBase& context);

}  // namespace latchkey
