// Where gRPC messages end in the bytes that one side of a connection sends. Only frames are read
// (RFC 9113, section 4.1) and the length before each message: no header, and no message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace latchkey::faults {

class MessageEnds {
 public:
  // Takes the next bytes from a caller, and answers where in them messages end: at each of these
  // offsets the service has one more whole request, or one more frame of a session.
  std::vector<std::size_t> Take(std::string_view bytes);

 private:
  // One message of a stream.
  struct Message {
    std::string prefix;  // its five bytes, as far as they have come
    std::size_t left = 0;
  };

  // How many of the bytes are part of the frame at hand.
  std::size_t TakePreface(std::string_view bytes);
  std::size_t TakeHeader(std::string_view bytes);
  // Likewise; true where a message ends with the last of them.
  std::size_t TakePayload(std::string_view bytes, bool& ended);

  std::size_t preface_left_ = 24;  // of what a connection begins with
  std::string header_;             // of the frame at hand, as far as it has come
  std::size_t payload_left_ = 0;   // of the frame at hand
  bool is_data_ = false;
  std::uint32_t stream_ = 0;
  std::unordered_map<std::uint32_t, Message> messages_;
};

}  // namespace latchkey::faults
