// How long to pause between tries: exponential, with full jitter (see the AWS Architecture Blog,
// "Exponential Backoff And Jitter").
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace latchkey::inline client::internal {

class Backoff {
 public:
  Backoff(std::chrono::nanoseconds min, std::chrono::nanoseconds max)
      : min_(std::clamp(min, std::chrono::nanoseconds(0), kLongest)),
        max_(std::clamp(max, min_, kLongest)),
        bound_(min_) {}

  // Between 0 and the bound, which doubles up to the maximum. `random` is uniform over 64 bits.
  std::chrono::nanoseconds Next(std::uint64_t random) {
    const std::chrono::nanoseconds bound = bound_;
    bound_ = std::min(bound_ * 2, max_);
    return std::chrono::nanoseconds(random % (static_cast<std::uint64_t>(bound.count()) + 1));
  }
  void Reset() { bound_ = min_; }

 private:
  static constexpr std::chrono::nanoseconds kLongest = std::chrono::hours(1);

  std::chrono::nanoseconds min_;
  std::chrono::nanoseconds max_;
  std::chrono::nanoseconds bound_;
};

}  // namespace latchkey::inline client::internal
