// Single calls of a client, for what is no flow: waits, hand-offs and renewals.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/load_generator/latchkey_flows.h"

namespace latchkey::bench {

struct Lease {
  std::string key;
  std::uint64_t token = 0;
};

struct AcquireOptions {
  std::string key;
  std::string attempt_id;
  std::chrono::milliseconds lease{600'000};
  // How long to wait in the queue; zero: not at all.
  std::chrono::milliseconds wait{0};
};

// Thread-safe. What it is given to call is called once, on any thread. All calls have ended before
// it is destroyed.
class Caller {
 public:
  virtual ~Caller() = default;
  // The token of the grant; NOT_FOUND if it was answered without one.
  virtual void Acquire(const AcquireOptions& options,
                       std::function<void(absl::StatusOr<std::uint64_t>)> done) = 0;
  virtual void Release(const Lease& lease, std::function<void(absl::Status)> done) = 0;
  // Keeps all leases alive for `length`, each renewed every `interval`, as a client does over this
  // transport. Blocks. How many messages that took; an error if a renewal failed.
  virtual absl::StatusOr<std::uint64_t> KeepAlive(const std::vector<Lease>& leases,
                                                  std::chrono::milliseconds interval,
                                                  std::chrono::milliseconds length) = 0;
};

// To the server at `address`, HOST:PORT. Another transport gets its own here.
std::unique_ptr<Caller> MakeCaller(Transport transport, const std::string& address);

// Acquires so many keys, "PREFIX:NUMBER", some hundred at a time; in order of their numbers.
// `lease_of` says, before each call, how long its lease is to be.
absl::StatusOr<std::vector<Lease>> AcquireMany(
    Caller& caller, const std::string& prefix, int count,
    const std::function<std::chrono::milliseconds()>& lease_of);

}  // namespace latchkey::bench
