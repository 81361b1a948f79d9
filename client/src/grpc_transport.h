// Calls over one gRPC channel.
#pragma once

#include <memory>
#include <string>

#include "latchkey/options.h"
#include "runtime.h"
#include "transport.h"

namespace latchkey::inline client::internal {

// A transport to `target`. Connects when first needed, and again whenever the connection is lost.
std::shared_ptr<Transport> MakeGrpcTransport(const std::string& target, TransportKind kind,
                                             const std::shared_ptr<Runtime>& runtime);

}  // namespace latchkey::inline client::internal
