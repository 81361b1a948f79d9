// Unary calls: throughput at a concurrency, and latency of one flow at a time.

#include <cstdio>
#include <vector>

#include "tools/load_generator/benches.h"
#include "tools/load_generator/own_systems.h"
#include "tools/load_generator/report.h"
#include "tools/load_generator/synced_appends.h"
#include "tools/load_generator/turns.h"

namespace latchkey::bench {
namespace {

// One flow: two synced commits; what the target allows beside them.
constexpr double kFlowAllowanceUs = 150;

// Rows of the echo and of ours, in this order.
absl::StatusOr<std::vector<Row>> MeasureBesideEcho(const BenchOptions& options, const char* bench,
                                                   Flow flow, int concurrency) {
  auto rows = MeasureInTurns(
      options, bench, {EchoSystem(options), LatchkeySystem(options, Transport::kUnary, flow)},
      {concurrency});
  if (!rows.ok()) return rows.status();
  for (Row& row : *rows) row.rate_name = "operations_per_second";
  return rows;
}

}  // namespace

absl::Status BenchUnary(const BenchOptions& options) {
  auto rows = MeasureBesideEcho(options, "unary", Flow::kAcquire, options.concurrency);
  if (!rows.ok()) return rows.status();
  const Row& echo = rows->front();
  Row& latchkey = rows->back();
  const double share = Median(Collect(latchkey, &Measurement::operations_per_second)) /
                       Median(Collect(echo, &Measurement::operations_per_second));
  latchkey.more.emplace_back("share_of_echo", share);
  PrintTable(*rows);
  std::printf("durable AcquireLock is %.0f%% of the empty call\n", 100 * share);
  return WriteJson(*rows, options.output + "/unary.json");
}

absl::Status BenchLatency(const BenchOptions& options) {
  const auto append = MeasureSyncedAppends(options);
  if (!append.ok()) return append.status();
  auto rows = MeasureBesideEcho(options, "latency", Flow::kAcquireAndRecord, 1);
  if (!rows.ok()) return rows.status();
  const Row& echo = rows->front();
  Row& latchkey = rows->back();
  const double wanted =
      2 * (Median(Collect(echo, &Measurement::p50_us)) + append->p50_us) + kFlowAllowanceUs;
  latchkey.more.emplace_back("synced_append_p50_us", append->p50_us);
  latchkey.more.emplace_back("wanted_p50_us", wanted);
  PrintTable(*rows);
  std::printf(
      "a synced append of %d bytes: %.0f us; a flow (AcquireLock + RecordResult): %.0f us "
      "(wanted: at most 2 x (echo + append) + %.0f = %.0f us)\n",
      kAppendBytes, append->p50_us, Median(Collect(latchkey, &Measurement::p50_us)),
      kFlowAllowanceUs, wanted);
  return WriteJson(*rows, options.output + "/latency.json");
}

}  // namespace latchkey::bench
