// Load in a closed loop: so many flows in flight, each sending its next call when the last was
// answered.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/load_generator/measurement.h"

namespace latchkey::v1 {
class AcquireLockResponse;
}

namespace latchkey::bench {

// What a flow sends.
enum class Flow {
  kAcquire,           // AcquireLock on a fresh key
  kAcquireAndRecord,  // and, after the grant arrived, RecordResult with a payload of 100 random
                      // bytes
};

struct LoadOptions {
  std::string address;
  Flow flow = Flow::kAcquire;
  int concurrency = 1;
  std::chrono::milliseconds warm_up{3000};
  std::chrono::milliseconds measure{10'000};
  // Ends early after so many flows; 0: goes by the time.
  std::uint64_t flows_max = 0;
  // Different for every run against one store, so that keys are fresh.
  std::string key_prefix = "bench";
  std::string progress;
};

// UNAVAILABLE if any call failed or was not answered with a grant.
absl::StatusOr<Measurement> RunLoad(const LoadOptions& options);

}  // namespace latchkey::bench
