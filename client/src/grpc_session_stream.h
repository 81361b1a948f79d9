// A session's stream over gRPC.
#pragma once

#include <memory>

#include "session_stream.h"

namespace grpc {
class Channel;
}

namespace latchkey::inline client::internal {

// Begins the streams of a session on this channel.
OpenSessionStream OpenOn(std::shared_ptr<grpc::Channel> channel);

}  // namespace latchkey::inline client::internal
