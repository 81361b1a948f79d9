// What a server says about itself.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace latchkey::bench {

class ServerCounts {
 public:
  struct Counts {
    std::uint64_t waiters = 0;   // calls that wait
    std::uint64_t held = 0;      // keys with a live lease
    std::uint64_t in_doubt = 0;  // keys whose lease lapsed
  };

  // Of the server at `address`, HOST:PORT.
  explicit ServerCounts(const std::string& address);
  ~ServerCounts();
  absl::StatusOr<Counts> Read() const;
  // Returns when the count is `wanted` or more; UNAVAILABLE if it is not within `patience`.
  absl::Status Await(std::uint64_t Counts::* count, int wanted,
                     std::chrono::seconds patience) const;

 private:
  struct Stub;
  std::unique_ptr<Stub> stub_;
};

}  // namespace latchkey::bench
