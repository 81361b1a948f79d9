// How a refusal travels: the one table from reasons to status codes.
#pragma once

#include "server/machine/refusal.h"

namespace google::rpc {
class Status;
}

namespace latchkey {

// A status with one google.rpc.ErrorInfo (domain "latchkey"), and a google.rpc.RetryInfo where the
// refusal has a time to retry. The reason UNSPECIFIED, for a caller that is gone, becomes a
// CANCELLED without either.
google::rpc::Status ToRpcStatus(const Refusal& refusal);

}  // namespace latchkey
