// A session's stream over gRPC.
#pragma once

#include <memory>

#include "session_stream.h"

namespace grpc {
class Channel;
}

namespace latchkey::inline client::internal {

class Security;

// Begins the streams of a session on this channel, which is protected so.
OpenSessionStream OpenOn(std::shared_ptr<grpc::Channel> channel,
                         std::shared_ptr<Security> security);

}  // namespace latchkey::inline client::internal
