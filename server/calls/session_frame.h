// One frame of a session in memory, with all that is made of it.
#pragma once

#include <algorithm>
#include <cstddef>

#include "latchkey/v1/coordination.pb.h"
#include <google/protobuf/arena.h>

namespace latchkey {

// Shared by its calls, and gone with the last of them.
struct SessionFrame {
  // `bytes`: about how much it will hold.
  explicit SessionFrame(std::size_t bytes)
      : arena(Options(bytes)),
        request(google::protobuf::Arena::CreateMessage<v1::SessionRequest>(&arena)) {}

  static google::protobuf::ArenaOptions Options(std::size_t bytes) {
    google::protobuf::ArenaOptions options;
    options.start_block_size = std::clamp(bytes, std::size_t{512}, std::size_t{64 * 1024});
    options.max_block_size = 64 * 1024;
    return options;
  }

  google::protobuf::Arena arena;
  v1::SessionRequest* const request;
};

}  // namespace latchkey
