// Keys that many wait for: each holder gives its key to the next as soon as it has it.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "tools/load_generator/caller.h"
#include "tools/process/server_process.h"

namespace latchkey::bench {

struct HandOffs {
  double per_second = 0;
  std::uint64_t count = 0;
  // Waits that were answered without the lock.
  std::uint64_t in_vain = 0;
  // What the server's memory grew by for each wait.
  double bytes_per_waiter = 0;
};

// Holds `keys` keys, lets `waiters` wait for each, then measures how fast they go through all of
// them. UNAVAILABLE if a call failed.
absl::StatusOr<HandOffs> MeasureHandOffs(ServerProcess& server, Caller& caller, int keys,
                                         int waiters);

}  // namespace latchkey::bench
