// Flows of Latchkey at many concurrencies: how many, and how long each takes.

#include <algorithm>
#include <string>
#include <vector>

#include "tools/load_generator/benches.h"
#include "tools/load_generator/chart.h"
#include "tools/load_generator/own_systems.h"
#include "tools/load_generator/report.h"
#include "tools/load_generator/turns.h"

namespace latchkey::bench {
namespace {

std::vector<Row> RowsOf(const std::vector<Row>& rows, const std::string& transport) {
  std::vector<Row> found;
  std::ranges::copy_if(rows, std::back_inserter(found),
                       [&](const Row& row) { return row.transport == transport; });
  return found;
}

Line LineOf(const std::string& name, const std::vector<Row>& rows, double Measurement::* figure,
            double scale) {
  Line line{name, {}};
  for (const Row& row : rows) {
    line.points.emplace_back(row.concurrency, Median(Collect(row, figure)) * scale);
  }
  return line;
}

absl::Status Draw(const std::vector<Row>& rows, const std::string& path) {
  constexpr char kInFlight[] = "flows in flight";
  constexpr double kMillisecondsInUs = 1e-3;
  LinePanel rates{"durable flows a second", kInFlight, "flows/s", false, {}};
  std::vector<Panel> panels = {rates};
  for (const Transport transport : kTransports) {
    const std::vector<Row> ours = RowsOf(rows, NameOf(transport));
    rates.lines.push_back(LineOf(NameOf(transport), ours, &Measurement::operations_per_second, 1));
    LinePanel latencies{
        std::string("time of a flow, ") + NameOf(transport), kInFlight, "ms", true, {}};
    latencies.lines = {LineOf("p99.9", ours, &Measurement::p999_us, kMillisecondsInUs),
                       LineOf("p99", ours, &Measurement::p99_us, kMillisecondsInUs),
                       LineOf("p50", ours, &Measurement::p50_us, kMillisecondsInUs)};
    panels.emplace_back(latencies);
  }
  panels.front() = rates;
  return DrawChart("Latchkey: AcquireLock + RecordResult, each synced before its reply", panels,
                   path);
}

}  // namespace

absl::Status BenchFlows(const BenchOptions& options) {
  const auto rows =
      MeasureInTurns(options, "flows", LatchkeySystems(options), options.concurrencies);
  if (!rows.ok()) return rows.status();
  PrintTable(*rows);
  if (auto written = WriteJson(*rows, options.output + "/flows.json"); !written.ok())
    return written;
  return Draw(*rows, options.output + "/flows.svg");
}

}  // namespace latchkey::bench
