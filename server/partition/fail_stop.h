// The latch that ends service for good: once tripped, nothing is acknowledged any more (invariant
// D4).
#pragma once

#include <atomic>
#include <functional>
#include <string>

namespace latchkey {

// Thread-safe.
class FailStop {
 public:
  // `on_trip` is called once, on the thread that trips first; it must be quick.
  explicit FailStop(std::function<void(const std::string& why)> on_trip = {})
      : on_trip_(std::move(on_trip)) {}

  void Trip(const std::string& why) {
    if (tripped_.exchange(true)) return;
    if (on_trip_) on_trip_(why);
  }
  bool tripped() const { return tripped_.load(); }

 private:
  std::atomic<bool> tripped_ = false;
  const std::function<void(const std::string&)> on_trip_;
};

}  // namespace latchkey
