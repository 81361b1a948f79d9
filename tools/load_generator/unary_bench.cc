// Unary calls: throughput at a concurrency, and latency of one flow at a time.

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#include "tools/load_generator/benches.h"
#include "tools/load_generator/closed_loop.h"
#include "tools/load_generator/report.h"
#include "tools/load_generator/scratch.h"

namespace latchkey::bench {
namespace {

constexpr char kAnyPort[] = "--listen-address=127.0.0.1:0";
// One flow: two synced commits; what the target allows beside them.
constexpr double kFlowAllowanceUs = 150;
constexpr std::size_t kAppendBytes = 300;

LoadOptions LoadOf(const BenchOptions& options, const std::string& address, Flow flow,
                   int concurrency) {
  LoadOptions load;
  load.address = address;
  load.flow = flow;
  load.concurrency = concurrency;
  load.warm_up = options.warm_up;
  load.measure = options.measure;
  return load;
}

// Every repetition has servers and a store of its own, and both systems take turns.
absl::Status Repeat(const BenchOptions& options, Flow flow, int concurrency, Row& echo,
                    Row& latchkey) {
  for (int i = 1; i <= options.repetitions; ++i) {
    const std::string round = " " + std::to_string(i) + "/" + std::to_string(options.repetitions);
    ScratchDirectory scratch(options.output);
    const std::string log = (scratch.path() / "log").string();
    auto echo_server = ServerProcess::Start({{options.echo, kAnyPort}, log});
    if (!echo_server.ok()) return echo_server.status();
    LoadOptions load = LoadOf(options, echo_server->address(), Flow::kAcquire, concurrency);
    load.progress = echo.bench + ": echo" + round;
    const auto echoed = RunLoad(load);
    if (!echoed.ok()) return echoed.status();
    echo.repetitions.push_back(*echoed);
    echo_server->process().Kill();

    auto server = ServerProcess::Start(
        {{options.latchkeyd, kAnyPort, "--store=rocksdb:" + (scratch.path() / "store").string(),
          "--live-records-max=100000000"},
         log});
    if (!server.ok()) return server.status();
    load = LoadOf(options, server->address(), flow, concurrency);
    load.progress = latchkey.bench + ": latchkey" + round;
    const auto measured = RunLoad(load);
    if (!measured.ok()) return measured.status();
    latchkey.repetitions.push_back(*measured);
  }
  return absl::OkStatus();
}

// What the disk takes for an append of a few hundred bytes and its sync.
absl::StatusOr<Measurement> MeasureSyncedAppends(const BenchOptions& options) {
  ScratchDirectory scratch(options.output);
  const std::string path = (scratch.path() / "appends").string();
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (file < 0) return absl::UnavailableError("cannot write " + path);
  const std::string bytes(kAppendBytes, 'x');
  std::vector<std::chrono::nanoseconds> latencies;
  const auto begin = std::chrono::steady_clock::now();
  auto now = begin;
  while (now - begin < options.measure / 3) {
    if (write(file, bytes.data(), bytes.size()) < 0 || fdatasync(file) != 0) break;
    const auto after = std::chrono::steady_clock::now();
    latencies.push_back(after - now);
    now = after;
  }
  close(file);
  return Measure(latencies, now - begin);
}

Row MakeRow(const char* bench, const char* system, int concurrency) {
  Row row;
  row.bench = bench;
  row.system = system;
  row.transport = "unary";
  row.concurrency = concurrency;
  return row;
}

}  // namespace

absl::Status BenchUnary(const BenchOptions& options) {
  Row echo = MakeRow("unary", "echo", options.concurrency);
  Row latchkey = MakeRow("unary", "latchkey", options.concurrency);
  if (auto done = Repeat(options, Flow::kAcquire, options.concurrency, echo, latchkey);
      !done.ok()) {
    return done;
  }
  const double share = Median(Collect(latchkey, &Measurement::operations_per_second)) /
                       Median(Collect(echo, &Measurement::operations_per_second));
  latchkey.more.emplace_back("share_of_echo", share);
  PrintTable({echo, latchkey});
  std::printf("durable AcquireLock is %.0f%% of the empty call (wanted: 60%%)\n", 100 * share);
  return WriteJson({echo, latchkey}, options.output + "/unary.json");
}

absl::Status BenchLatency(const BenchOptions& options) {
  Row echo = MakeRow("latency", "echo", 1);
  Row latchkey = MakeRow("latency", "latchkey", 1);
  const auto append = MeasureSyncedAppends(options);
  if (!append.ok()) return append.status();
  if (auto done = Repeat(options, Flow::kAcquireAndRecord, 1, echo, latchkey); !done.ok())
    return done;
  const double wanted =
      2 * (Median(Collect(echo, &Measurement::p50_us)) + append->p50_us) + kFlowAllowanceUs;
  latchkey.more.emplace_back("synced_append_p50_us", append->p50_us);
  latchkey.more.emplace_back("wanted_p50_us", wanted);
  PrintTable({echo, latchkey});
  std::printf(
      "a synced append of %zu bytes: %.0f us; a flow (AcquireLock + RecordResult): %.0f us "
      "(wanted: at most 2 x (echo + append) + %.0f = %.0f us)\n",
      kAppendBytes, append->p50_us, Median(Collect(latchkey, &Measurement::p50_us)),
      kFlowAllowanceUs, wanted);
  return WriteJson({echo, latchkey}, options.output + "/latency.json");
}

}  // namespace latchkey::bench
