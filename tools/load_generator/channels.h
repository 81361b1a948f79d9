// Connections of gRPC for a run: the same for every system that is called through it.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace grpc {
class Channel;
}

namespace latchkey::bench {

// Eight connections to `address` (HOST:PORT), or fewer if there are fewer flows.
std::vector<std::shared_ptr<grpc::Channel>> ConnectChannels(const std::string& address,
                                                            int concurrency);

}  // namespace latchkey::bench
