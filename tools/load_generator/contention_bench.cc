// Keys that many want, and leases by the hundred thousand.

#include <algorithm>
#include <cstdio>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tools/load_generator/benches.h"
#include "tools/load_generator/caller.h"
#include "tools/load_generator/chart.h"
#include "tools/load_generator/cpu_time.h"
#include "tools/load_generator/hand_offs.h"
#include "tools/load_generator/own_systems.h"
#include "tools/load_generator/report.h"
#include "tools/load_generator/scratch.h"
#include "tools/load_generator/server_counts.h"
#include "tools/load_generator/synced_appends.h"

namespace latchkey::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;
using Figures = std::vector<std::pair<std::string, double>>;

constexpr Milliseconds kRenewalInterval(10'000);
constexpr Milliseconds kFirstRenewals(2'000);
// Longer than it takes to acquire them all on a slow machine.
constexpr Milliseconds kRenewedLease(120'000);
// Leases that are to lapse together are acquired in so much time, whatever the machine.
constexpr int kAcquiredASecond = 2'000;
constexpr Milliseconds kAcquireAtLeast(2'000);
constexpr Milliseconds kBeforeLapse(1'000);
constexpr std::chrono::seconds kLapsePatience(120);
// Few, so that what is seen is the server's pause and not a queue of our own.
constexpr int kProbes = 4;

// What every part makes of a transport.
using Part = absl::StatusOr<Figures> (*)(const BenchOptions&, ServerProcess&, Transport);

absl::StatusOr<Figures> HandOffFigures(const BenchOptions& options, ServerProcess& server,
                                       Transport transport, int keys, int waiters) {
  const auto appends = MeasureSyncedAppends(options);
  if (!appends.ok()) return appends.status();
  const auto caller = MakeCaller(transport, server.address());
  const auto measured = MeasureHandOffs(server, *caller, keys, waiters);
  if (!measured.ok()) return measured.status();
  if (measured->count == 0) return absl::UnavailableError("no key was handed on");
  const auto count = static_cast<double>(measured->count);
  return Figures{
      {"keys", keys},
      {"waiters_per_key", waiters},
      {"hand_offs_per_second", measured->per_second},
      {"wake_ups_per_hand_off", (count + static_cast<double>(measured->in_vain)) / count},
      {"synced_appends_per_second", appends->operations_per_second},
      {"hand_offs_per_synced_append", measured->per_second / appends->operations_per_second},
      {"resident_bytes_per_waiter", measured->bytes_per_waiter}};
}

absl::StatusOr<Figures> OneHotKey(const BenchOptions& options, ServerProcess& server,
                                  Transport transport) {
  return HandOffFigures(options, server, transport, 1, options.waiters);
}

absl::StatusOr<Figures> ManyHotKeys(const BenchOptions& options, ServerProcess& server,
                                    Transport transport) {
  return HandOffFigures(options, server, transport, options.hot_keys, options.waiters_of_hot_keys);
}

absl::StatusOr<Figures> Renewals(const BenchOptions& options, ServerProcess& server,
                                 Transport transport) {
  const auto caller = MakeCaller(transport, server.address());
  ShowProgress("contention: leases to be renewed");
  const auto leases =
      AcquireMany(*caller, "renewed", options.live_leases, [] { return kRenewedLease; });
  if (!leases.ok()) return leases.status();
  // The first renewal of each is written down, the others are not.
  ShowProgress("contention: first renewals");
  const auto first = caller->KeepAlive(*leases, kFirstRenewals, kFirstRenewals);
  if (!first.ok()) return first.status();
  ShowProgress("contention: renewals");
  const auto cpu_before = CpuTimeOfStarted();
  const auto begin = SteadyClock::now();
  const auto sent = caller->KeepAlive(*leases, kRenewalInterval, options.measure);
  if (!sent.ok()) return sent.status();
  const std::chrono::duration<double> took = SteadyClock::now() - begin;
  const auto cpu = CpuTimeOfStarted() - cpu_before;
  return Figures{
      {"live_leases", options.live_leases},
      {"renewal_interval_seconds", std::chrono::duration<double>(kRenewalInterval).count()},
      {"messages_per_second", static_cast<double>(*sent) / took.count()},
      {"server_cpu_share", cpu / took}};
}

absl::StatusOr<Measurement> Probe(ServerProcess& server, Transport transport, const char* prefix,
                                  Milliseconds length) {
  LoadOptions load;
  load.concurrency = kProbes;
  load.warm_up = Milliseconds(0);
  load.measure = length;
  load.key_prefix = prefix;
  load.progress = std::string("contention: lapse, flows ") + prefix;
  const auto driver =
      MakeLatchkeyDriver(transport, server.address(), Flow::kAcquireAndRecord, kProbes);
  return RunLoad(*driver, load);
}

absl::StatusOr<Figures> Lapse(const BenchOptions& options, ServerProcess& server,
                              Transport transport) {
  const auto before = Probe(server, transport, "before", options.measure);
  if (!before.ok()) return before.status();
  const auto caller = MakeCaller(transport, server.address());
  ShowProgress("contention: leases that lapse together");
  const auto lapse_at =
      SteadyClock::now() +
      std::max(kAcquireAtLeast, Milliseconds(1'000LL * options.live_leases / kAcquiredASecond));
  const auto leases = AcquireMany(*caller, "lapsing", options.live_leases, [lapse_at] {
    const auto left = std::chrono::duration_cast<Milliseconds>(lapse_at - SteadyClock::now());
    return std::max(left, kBeforeLapse);
  });
  if (!leases.ok()) return leases.status();
  ShowProgress("contention: waiting for the lapse");
  std::this_thread::sleep_until(lapse_at - kBeforeLapse);
  const auto during = Probe(server, transport, "during", kBeforeLapse + options.measure);
  if (!during.ok()) return during.status();
  const auto lapsed =
      ServerCounts(server.address())
          .Await(&ServerCounts::Counts::in_doubt, options.live_leases, kLapsePatience);
  if (!lapsed.ok()) return lapsed;
  return Figures{{"lapsed_leases", options.live_leases},
                 {"longest_flow_us_before", before->longest_us},
                 {"longest_flow_us", during->longest_us},
                 {"p99_us_before", before->p99_us},
                 {"p99_us", during->p99_us}};
}

struct NamedPart {
  const char* name;
  Part part;
};
constexpr NamedPart kParts[] = {{"one hot key", OneHotKey},
                                {"many hot keys", ManyHotKeys},
                                {"renewals", Renewals},
                                {"lapse", Lapse}};

// Figures of all repetitions of a part -> the medians.
Figures Medians(const std::vector<Figures>& repetitions) {
  Figures medians = repetitions.front();
  for (std::size_t i = 0; i < medians.size(); ++i) {
    std::vector<double> values;
    values.reserve(repetitions.size());
    for (const Figures& figures : repetitions) values.push_back(figures[i].second);
    medians[i].second = Median(values);
  }
  return medians;
}

absl::StatusOr<Row> MeasurePart(const BenchOptions& options, const NamedPart& part,
                                Transport transport) {
  std::vector<Figures> repetitions;
  for (int repetition = 0; repetition < options.repetitions; ++repetition) {
    FreshServer server(options, {"--waiters-per-key-max=100000"});
    if (!server.process.ok()) return server.process.status();
    auto figures = part.part(options, *server.process, transport);
    if (!figures.ok()) {
      return absl::Status(figures.status().code(),
                          std::string(part.name) + ": " + std::string(figures.status().message()));
    }
    repetitions.push_back(*std::move(figures));
  }
  Row row = LatchkeyRow(options, "contention", part.name, transport);
  row.more = Medians(repetitions);
  return row;
}

void Print(const std::vector<Row>& rows) {
  ShowProgress("");
  for (const Row& row : rows) {
    std::printf("%s, %s\n", row.part.c_str(), row.transport.c_str());
    for (const auto& [name, value] : row.more) std::printf("  %-28s %14.2f\n", name.c_str(), value);
  }
}

absl::Status Draw(const std::vector<Row>& rows, const std::string& path) {
  BarPanel hand_offs{"hand-offs a second", "hand-offs/s", {}};
  BarPanel cpu{"server's CPU under renewals", "% of a core", {}};
  BarPanel longest{"longest flow on other keys", "ms", {}};
  for (const Row& row : rows) {
    for (const auto& [name, value] : row.more) {
      if (name == "hand_offs_per_second")
        hand_offs.bars.push_back({row.transport + " " + row.part, value, true});
      if (name == "server_cpu_share") cpu.bars.push_back({row.transport, 100 * value, true});
      if (name == "longest_flow_us_before")
        longest.bars.push_back({row.transport + " before", value / 1000, false});
      if (name == "longest_flow_us")
        longest.bars.push_back({row.transport + " lapse", value / 1000, true});
    }
  }
  return DrawChart("Latchkey under contention", {hand_offs, cpu, longest}, path);
}

}  // namespace

absl::Status BenchContention(const BenchOptions& options) {
  std::vector<Row> rows;
  for (const NamedPart& part : kParts) {
    for (const Transport transport : kTransports) {
      const auto row = MeasurePart(options, part, transport);
      if (!row.ok()) return row.status();
      rows.push_back(*row);
    }
  }
  Print(rows);
  if (auto written = WriteJson(rows, options.output + "/contention.json"); !written.ok())
    return written;
  return Draw(rows, options.output + "/contention.svg");
}

}  // namespace latchkey::bench
