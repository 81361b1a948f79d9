// Calls to a service that several servers give, each of which serves every key.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "transport.h"

namespace latchkey::inline client::internal {

// The addresses in "HOST:PORT,HOST:PORT"; a target with a scheme is one address, commas and all.
std::vector<std::string> AddressesIn(const std::string& target);

// All calls go over one of the transports, until one of them breaks there; then over the next. A
// broken call is not repeated here: whoever repeats it does so at another server.
std::shared_ptr<Transport> MakeFailoverTransport(
    std::vector<std::shared_ptr<Transport>> transports);

}  // namespace latchkey::inline client::internal
