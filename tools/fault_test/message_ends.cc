#include "tools/fault_test/message_ends.h"

#include <algorithm>

namespace latchkey::faults {
namespace {

constexpr std::size_t kFrameHeaderBytes = 9;
constexpr std::size_t kMessagePrefixBytes = 5;
constexpr std::uint8_t kData = 0;
constexpr std::uint8_t kResetStream = 3;

// Most significant byte first.
std::size_t Number(std::string_view bytes) {
  std::size_t number = 0;
  for (const char byte : bytes) number = number << 8 | static_cast<unsigned char>(byte);
  return number;
}

}  // namespace

std::vector<std::size_t> MessageEnds::Take(std::string_view bytes) {
  std::vector<std::size_t> ends;
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::string_view rest = bytes.substr(at);
    bool ended = false;
    if (preface_left_ > 0) {
      at += TakePreface(rest);
    } else if (payload_left_ == 0) {
      at += TakeHeader(rest);
    } else {
      at += TakePayload(rest, ended);
    }
    if (ended) ends.push_back(at);
  }
  return ends;
}

std::size_t MessageEnds::TakePreface(std::string_view bytes) {
  const std::size_t taken = std::min(preface_left_, bytes.size());
  preface_left_ -= taken;
  return taken;
}

std::size_t MessageEnds::TakeHeader(std::string_view bytes) {
  const std::size_t taken = std::min(kFrameHeaderBytes - header_.size(), bytes.size());
  header_.append(bytes.substr(0, taken));
  if (header_.size() < kFrameHeaderBytes) return taken;
  const std::string_view header = header_;
  const auto type = static_cast<std::uint8_t>(header[3]);
  payload_left_ = Number(header.substr(0, 3));
  stream_ = static_cast<std::uint32_t>(Number(header.substr(5, 4)) & 0x7fff'ffff);
  is_data_ = type == kData;
  if (type == kResetStream) messages_.erase(stream_);
  header_.clear();
  return taken;
}

std::size_t MessageEnds::TakePayload(std::string_view bytes, bool& ended) {
  const std::size_t in_frame = std::min(payload_left_, bytes.size());
  std::size_t taken = in_frame;
  if (is_data_) {
    Message& message = messages_[stream_];
    if (message.left == 0) {
      taken = std::min(kMessagePrefixBytes - message.prefix.size(), in_frame);
      message.prefix.append(bytes.substr(0, taken));
      if (message.prefix.size() == kMessagePrefixBytes) {
        message.left = Number(std::string_view(message.prefix).substr(1));
        message.prefix.clear();
        ended = message.left == 0;  // an empty one
      }
    } else {
      taken = std::min(message.left, in_frame);
      message.left -= taken;
      ended = message.left == 0;
    }
    if (ended) messages_.erase(stream_);
  }
  payload_left_ -= taken;
  return taken;
}

}  // namespace latchkey::faults
