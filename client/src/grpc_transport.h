// Unary calls over one gRPC channel.
#pragma once

#include <memory>
#include <string>

#include "transport.h"

namespace latchkey::inline client::internal {

// A transport to `target`. Connects when first needed, and again whenever the connection is lost.
std::shared_ptr<Transport> MakeGrpcTransport(const std::string& target);

}  // namespace latchkey::inline client::internal
