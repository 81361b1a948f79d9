// Whoever is to be told that a lease has ended without its holder's word.
#pragma once

#include <cstdint>
#include <string>

namespace latchkey {

struct LostLease {
  std::string store_key;
  std::uint64_t fencing_token = 0;
};

// Thread-safe.
class LeaseListener {
 public:
  virtual ~LeaseListener() = default;
  // Called by a partition's thread, once that is durable. Must be quick.
  virtual void OnLeaseLost(const LostLease& lost) = 0;
};

}  // namespace latchkey
