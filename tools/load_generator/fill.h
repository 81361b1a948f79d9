// Brings a server to where it is to be measured.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "tools/load_generator/latchkey_flows.h"
#include "tools/process/server_process.h"

namespace latchkey::bench {

struct FillOptions {
  Flow flow = Flow::kAcquireAndRecord;
  std::uint64_t flows = 0;
  int concurrency = 256;
  // New for every call against one store.
  std::string key_prefix;
  std::string progress;
};

// Makes so many completed records (kAcquireAndRecord), or live leases of ten minutes (kAcquire).
absl::Status Fill(const std::string& address, const FillOptions& options);

// Waits until what this process has started has done what it does behind the replies, compactions
// above all; for two minutes at most.
void Settle();

}  // namespace latchkey::bench
