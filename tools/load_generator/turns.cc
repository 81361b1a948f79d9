#include "tools/load_generator/turns.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "tools/load_generator/cpu_time.h"
#include "tools/load_generator/disk_flushes.h"
#include "tools/load_generator/scratch.h"

namespace latchkey::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

int FlowsInFlight(const System& system, int concurrency) {
  return system.connections_max > 0 ? std::min(system.connections_max, concurrency) : concurrency;
}

absl::StatusOr<Measurement> MeasureOnce(const BenchOptions& options, Running& running,
                                        const std::string& progress, int concurrency,
                                        const std::filesystem::path& directory) {
  auto driver = running.Connect(concurrency);
  if (!driver.ok()) return driver.status();
  LoadOptions load;
  load.concurrency = concurrency;
  load.warm_up = options.warm_up;
  load.measure = options.measure;
  load.key_prefix = "bench" + std::to_string(concurrency);
  load.progress = progress;
  const auto flushes_before = DiskFlushes(directory);
  const auto cpu_before = CpuTimeOfStarted();
  const auto begin = SteadyClock::now();
  auto measured = RunLoad(**driver, load);
  const std::chrono::duration<double> took = SteadyClock::now() - begin;
  const auto cpu_after = CpuTimeOfStarted();
  const auto flushes_after = DiskFlushes(directory);
  if (measured.ok()) measured->cpu_share = ShareOfProcessors(cpu_after - cpu_before, took);
  if (measured.ok() && flushes_before.has_value() && flushes_after.has_value()) {
    measured->fdatasync_per_second =
        static_cast<double>(*flushes_after - *flushes_before) / took.count();
  }
  return measured;
}

Row MakeRow(const char* bench, const System& system, int concurrency) {
  Row row;
  row.bench = bench;
  row.system = system.name;
  row.version = system.version;
  row.transport = system.transport;
  row.durability = system.durability;
  row.concurrency = concurrency;
  if (system.connections_max > 0) {
    row.more.emplace_back("connections", FlowsInFlight(system, concurrency));
  }
  return row;
}

absl::Status Named(const std::string& what, const absl::Status& status) {
  return {status.code(), what + ": " + std::string(status.message())};
}

}  // namespace

std::size_t InTurn(std::size_t turn, std::size_t count, int repetition) {
  return repetition % 2 == 1 ? turn : count - 1 - turn;
}

absl::StatusOr<std::vector<Row>> MeasureInTurns(const BenchOptions& options, const char* bench,
                                                const std::vector<System>& systems,
                                                const std::vector<int>& concurrencies) {
  std::vector<Row> rows;
  for (const System& system : systems) {
    for (const int concurrency : concurrencies) {
      rows.push_back(MakeRow(bench, system, concurrency));
    }
  }
  for (int repetition = 1; repetition <= options.repetitions; ++repetition) {
    for (std::size_t turn = 0; turn < systems.size(); ++turn) {
      const std::size_t number = InTurn(turn, systems.size(), repetition);
      const System& system = systems[number];
      std::size_t row = number * concurrencies.size();
      const ScratchDirectory scratch(options.output);
      auto running = system.start(scratch.path());
      if (!running.ok()) return Named(system.name, running.status());
      for (const int concurrency : concurrencies) {
        const std::string progress = std::string(bench) + ": " + std::to_string(repetition) + "/" +
                                     std::to_string(options.repetitions) + " " + system.name + " " +
                                     system.transport + ", " + std::to_string(concurrency) +
                                     " in flight";
        const auto measured = MeasureOnce(options, **running, progress,
                                          FlowsInFlight(system, concurrency), scratch.path());
        if (!measured.ok()) return Named(system.name, measured.status());
        rows[row++].repetitions.push_back(*measured);
      }
    }
  }
  return rows;
}

}  // namespace latchkey::bench
