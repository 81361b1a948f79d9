// How long a restart takes after a kill under load, with many records.

#include <cstdio>

#include "tools/load_generator/benches.h"
#include "tools/load_generator/fill.h"
#include "tools/load_generator/own_systems.h"
#include "tools/load_generator/restart.h"
#include "tools/load_generator/scratch.h"

namespace latchkey::bench {

absl::Status BenchRestart(const BenchOptions& options) {
  const ScratchDirectory scratch(options.output);
  auto server = StartLatchkeyd(options, scratch.path());
  if (!server.ok()) return server.status();
  const FillOptions records{.flow = Flow::kAcquireAndRecord,
                            .flows = options.completed_records,
                            .concurrency = options.concurrency,
                            .key_prefix = "done",
                            .progress = "restart: completed records"};
  const FillOptions leases{.flow = Flow::kAcquire,
                           .flows = static_cast<std::uint64_t>(options.live_leases),
                           .concurrency = options.concurrency,
                           .key_prefix = "live",
                           .progress = "restart: live leases"};
  for (const FillOptions& fill : {records, leases}) {
    if (auto filled = Fill(server->address(), fill); !filled.ok()) return filled;
  }
  const auto took = RestartUnderLoad(options, *server, scratch.path(), "killed");
  if (!took.ok()) return took.status();
  std::printf(
      "restart: %llu completed records, %d live leases: exec to first acknowledged AcquireLock "
      "%.2f s (wanted: 2 s), %.0f MiB resident\n",
      static_cast<unsigned long long>(options.completed_records), options.live_leases, *took,
      static_cast<double>(ResidentBytes(*server)) / (1 << 20));
  return absl::OkStatus();
}

}  // namespace latchkey::bench
