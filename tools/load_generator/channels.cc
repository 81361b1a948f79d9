#include "tools/load_generator/channels.h"

#include <algorithm>

#include <grpcpp/grpcpp.h>

namespace latchkey::bench {
namespace {

constexpr int kChannelsMax = 8;

}  // namespace

std::vector<std::shared_ptr<grpc::Channel>> ConnectChannels(const std::string& address,
                                                            int concurrency) {
  std::vector<std::shared_ptr<grpc::Channel>> channels(
      static_cast<std::size_t>(std::min(kChannelsMax, concurrency)));
  for (auto& channel : channels) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    channel = grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  }
  return channels;
}

}  // namespace latchkey::bench
