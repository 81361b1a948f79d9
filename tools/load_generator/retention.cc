#include "tools/load_generator/retention.h"

#include <string>

#include "tools/load_generator/disk_use.h"
#include "tools/load_generator/own_systems.h"
#include "tools/load_generator/scratch.h"

namespace latchkey::bench {
namespace {

constexpr int kStretches = 10;
constexpr int kSpeed =
    3'000;  // a server follows steps of less than an hour, and looks every second
constexpr double kKeptHours = 25;  // the key's hour, and a day in which it is refused as expired
constexpr double kSecondsAnHour = 3600;

std::vector<std::string> FastClock() {
  return {"LD_PRELOAD=libfaketime.so.1",
          "LD_LIBRARY_PATH=/usr/lib/x86_64-linux-gnu/faketime:/usr/lib/aarch64-linux-gnu/faketime",
          "FAKETIME=+0 x" + std::to_string(kSpeed), "FAKETIME_DONT_FAKE_MONOTONIC=1"};
}

}  // namespace

absl::StatusOr<Retained> MeasureRetention(const BenchOptions& options, Transport transport) {
  const ScratchDirectory scratch(options.output);
  auto server = StartLatchkeyd(options, scratch.path(), {"--key-retention=1h"}, FastClock());
  if (!server.ok()) return server.status();
  Retained retained;
  retained.kept_seconds = kKeptHours * kSecondsAnHour / kSpeed;
  for (int stretch = 0; stretch < kStretches; ++stretch) {
    LoadOptions load;
    load.concurrency = options.concurrency;
    load.warm_up = std::chrono::milliseconds(0);
    load.measure = options.retention / kStretches;
    load.key_prefix = "expiring" + std::to_string(stretch);
    load.progress = "scale: records that expire, " + std::to_string(stretch + 1) + "/" +
                    std::to_string(kStretches);
    const auto driver = MakeLatchkeyDriver(transport, server->address(), Flow::kAcquireAndRecord,
                                           options.concurrency);
    const auto measured = RunLoad(*driver, load);
    if (!measured.ok()) return measured.status();
    retained.stretches.push_back(*measured);
    retained.disk_bytes.push_back(static_cast<double>(BytesIn(scratch.path() / "store")));
  }
  return retained;
}

}  // namespace latchkey::bench
