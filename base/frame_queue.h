// Bytes that wait to be sent, as frames within bounds. Both ends of a session keep one.
#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <utility>

namespace latchkey {

// Not thread-safe. `Extra` is whatever goes with a frame.
template <typename Extra>
class FrameQueue {
 public:
  struct Frame {
    std::string bytes;
    std::size_t items = 0;
    Extra extra = {};
  };

  FrameQueue(std::size_t bytes_max, std::size_t items_max)
      : bytes_max_(bytes_max), items_max_(items_max) {}

  // The frame to append an item of so many bytes to: the last one, or another where that is full.
  // An item that is larger than a frame may be gets one of its own.
  Frame& RoomFor(std::size_t bytes) {
    if (frames_.empty() || frames_.back().items >= items_max_ ||
        frames_.back().bytes.size() + bytes > bytes_max_) {
      frames_.emplace_back();
    }
    bytes_ += bytes;
    ++frames_.back().items;
    return frames_.back();
  }

  bool empty() const { return frames_.empty(); }
  // In all frames.
  std::size_t bytes() const { return bytes_; }

  // The first frame; there must be one.
  Frame Take() {
    Frame frame = std::move(frames_.front());
    frames_.pop_front();
    bytes_ -= frame.bytes.size();
    return frame;
  }

  // Drops everything, and hands it over to whom it may concern.
  std::deque<Frame> TakeAll() {
    bytes_ = 0;
    return std::exchange(frames_, {});
  }

 private:
  const std::size_t bytes_max_;
  const std::size_t items_max_;
  std::deque<Frame> frames_;
  std::size_t bytes_ = 0;
};

}  // namespace latchkey
