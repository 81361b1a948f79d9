// The client library's transport for unary calls, over the simulated network.
#pragma once

#include <memory>

#include "client/src/transport.h"
#include "tools/simulation/host.h"
#include "tools/simulation/network.h"

namespace latchkey::simulation {

std::shared_ptr<internal::Transport> MakeUnaryTransport(Network& network, Host& client);

}  // namespace latchkey::simulation
