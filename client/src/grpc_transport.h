// Calls over one gRPC channel.
#pragma once

#include <memory>
#include <string>

#include "latchkey/options.h"
#include "runtime.h"
#include "transport.h"

namespace latchkey::inline client::internal {

// A transport to `target`. Connects when first needed, and again whenever the connection is lost.
// Of the options, what protects the connection counts.
std::shared_ptr<Transport> MakeGrpcTransport(const std::string& target, TransportKind kind,
                                             const std::shared_ptr<Runtime>& runtime,
                                             const ClientOptions& options = {});

}  // namespace latchkey::inline client::internal
