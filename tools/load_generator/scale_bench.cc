// What many completed records cost: flow rate, memory, restart, and disk.

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "tools/load_generator/benches.h"
#include "tools/load_generator/chart.h"
#include "tools/load_generator/disk_use.h"
#include "tools/load_generator/fill.h"
#include "tools/load_generator/own_systems.h"
#include "tools/load_generator/report.h"
#include "tools/load_generator/restart.h"
#include "tools/load_generator/retention.h"
#include "tools/load_generator/scratch.h"

namespace latchkey::bench {
namespace {

constexpr double kMiB = 1 << 20;
// What a completed record may take: a part of its key and payload, and some bytes.
constexpr double kPartOfBytesMax = 1.5;
constexpr double kBytesMax = 60;

Row MakeRow(const BenchOptions& options, const char* part, Transport transport) {
  Row row = LatchkeyRow(options, "scale", part, transport);
  row.concurrency = options.concurrency;
  return row;
}

// The server with many records, and what was measured so far.
class Scale {
 public:
  explicit Scale(const BenchOptions& options)
      : options_(options),
        scratch_(options.output),
        restart_row_(MakeRow(options, "restart", kFastest)) {
    for (const Transport transport : kTransports) {
      empty_.push_back(MakeRow(options, "rate", transport));
      empty_.back().more.emplace_back("completed_records", 0);
    }
  }

  absl::Status Run();

 private:
  absl::Status FillUpTo(std::uint64_t records);
  absl::Status MeasureRates();
  absl::StatusOr<Measurement> MeasureRate(const std::string& address, Transport transport);
  absl::Status Restart();
  absl::Status MeasureDisk();
  absl::Status MeasureExpiry();
  absl::Status Report();

  const BenchOptions& options_;
  const ScratchDirectory scratch_;
  absl::StatusOr<ServerProcess> server_ = absl::UnavailableError("not started");
  std::uint64_t records_ = 0;  // completed ones that it has, at least
  int runs_ = 0;               // makes keys new
  std::vector<Row> empty_;     // with no records, for each transport
  std::vector<Row> full_;      // with ever more records
  Row restart_row_;
  Row disk_row_;
  std::vector<Row> retention_rows_;  // for each transport
  std::vector<Retained> retained_;   // the same
};

absl::Status Scale::Run() {
  server_ = StartLatchkeyd(options_, scratch_.path());
  if (!server_.ok()) return server_.status();
  for (const std::uint64_t records :
       {options_.completed_records / 10, options_.completed_records}) {
    if (auto filled = FillUpTo(records); !filled.ok()) return filled;
    if (auto measured = MeasureRates(); !measured.ok()) return measured;
  }
  if (auto restarted = Restart(); !restarted.ok()) return restarted;
  if (auto measured = MeasureDisk(); !measured.ok()) return measured;
  if (auto measured = MeasureExpiry(); !measured.ok()) return measured;
  return Report();
}

absl::Status Scale::FillUpTo(std::uint64_t records) {
  if (records <= records_) return absl::OkStatus();
  FillOptions fill;
  fill.flows = records - records_;
  fill.concurrency = options_.concurrency;
  fill.key_prefix = "fill" + std::to_string(++runs_);
  fill.progress = "scale: completed records, up to " + std::to_string(records);
  if (auto filled = Fill(server_->address(), fill); !filled.ok()) return filled;
  records_ = records;
  Settle();
  return absl::OkStatus();
}

absl::StatusOr<Measurement> Scale::MeasureRate(const std::string& address, Transport transport) {
  LoadOptions load;
  load.concurrency = options_.concurrency;
  load.warm_up = options_.warm_up;
  load.measure = options_.measure;
  load.key_prefix = "rate" + std::to_string(++runs_);
  load.progress = "scale: flows beside " + std::to_string(records_) + " records, and none";
  const auto driver =
      MakeLatchkeyDriver(transport, address, Flow::kAcquireAndRecord, options_.concurrency);
  return RunLoad(*driver, load);
}

// The full store and an empty one take turns.
absl::Status Scale::MeasureRates() {
  std::size_t number = 0;
  for (const Transport transport : kTransports) {
    Row row = MakeRow(options_, "rate", transport);
    row.more.emplace_back("completed_records", static_cast<double>(records_));
    row.more.emplace_back("resident_bytes", static_cast<double>(ResidentBytes(*server_)));
    for (int repetition = 0; repetition < options_.repetitions; ++repetition) {
      const auto full = MeasureRate(server_->address(), transport);
      if (!full.ok()) return full.status();
      row.repetitions.push_back(*full);
      const ScratchDirectory scratch(options_.output);
      auto other = StartLatchkeyd(options_, scratch.path());
      if (!other.ok()) return other.status();
      const auto empty = MeasureRate(other->address(), transport);
      if (!empty.ok()) return empty.status();
      empty_[number].repetitions.push_back(*empty);
    }
    full_.push_back(row);
    ++number;
  }
  return absl::OkStatus();
}

absl::Status Scale::Restart() {
  FillOptions leases;
  leases.flow = Flow::kAcquire;
  leases.flows = static_cast<std::uint64_t>(options_.live_leases);
  leases.concurrency = options_.concurrency;
  leases.key_prefix = "live";
  leases.progress = "scale: live leases";
  if (auto filled = Fill(server_->address(), leases); !filled.ok()) return filled;
  std::vector<double> seconds;
  for (int repetition = 0; repetition < options_.repetitions; ++repetition) {
    ShowProgress("scale: restart");
    const auto took = RestartUnderLoad(options_, *server_, scratch_.path(),
                                       "killed" + std::to_string(repetition));
    if (!took.ok()) return took.status();
    seconds.push_back(*took);
  }
  restart_row_.more = {{"completed_records", static_cast<double>(records_)},
                       {"live_leases", options_.live_leases},
                       {"restart_seconds", Median(seconds)},
                       {"restart_seconds_max", Maximum(seconds)},
                       {"resident_bytes", static_cast<double>(ResidentBytes(*server_))}};
  return absl::OkStatus();
}

absl::Status Scale::MeasureDisk() {
  ShowProgress("scale: compacting");
  server_->process().Stop(std::chrono::minutes(1));
  const auto use = CompactAndMeasure(scratch_.path() / "store", scratch_.path() / "tools");
  if (!use.ok()) return use.status();
  ShowProgress("");
  if (use->records == 0) return absl::InternalError("no completed record is in any table");
  const auto each = [&](std::uint64_t bytes) {
    return static_cast<double>(bytes) / static_cast<double>(use->records);
  };
  disk_row_ = MakeRow(options_, "disk", kFastest);
  disk_row_.more = {{"completed_records", static_cast<double>(use->records)},
                    {"payload_bytes", kPayloadBytes},
                    {"key_bytes", each(use->key_bytes)},
                    {"disk_bytes_per_record_wanted",
                     kPartOfBytesMax * (kPayloadBytes + each(use->key_bytes)) + kBytesMax},
                    {"disk_bytes_per_record", each(use->total_bytes)},
                    {"data_bytes_per_record", each(use->data_bytes)},
                    {"index_bytes_per_record", each(use->index_bytes)},
                    {"filter_bytes_per_record", each(use->filter_bytes)},
                    {"other_bytes_per_record", each(use->total_bytes - use->data_bytes -
                                                    use->index_bytes - use->filter_bytes)}};
  return absl::OkStatus();
}

// The steady state is what the second half shows.
absl::Status Scale::MeasureExpiry() {
  if (options_.retention.count() == 0) return absl::OkStatus();
  for (const Transport transport : kTransports) {
    auto retained = MeasureRetention(options_, transport);
    if (!retained.ok()) return retained.status();
    Row row = MakeRow(options_, "retention", transport);
    row.repetitions.assign(
        retained->stretches.begin() + static_cast<std::ptrdiff_t>(retained->stretches.size() / 2),
        retained->stretches.end());
    const double rate = Median(Collect(row, &Measurement::operations_per_second));
    double made = 0;
    for (const Measurement& stretch : retained->stretches) {
      made += stretch.operations_per_second * 1e-3 *
              static_cast<double>(options_.retention.count()) /
              static_cast<double>(retained->stretches.size());
    }
    row.more = {
        {"kept_seconds", retained->kept_seconds},
        {"completed_records_made", made},
        {"completed_records_kept", rate * retained->kept_seconds},
        {"share_of_first_stretch", rate / retained->stretches.front().operations_per_second},
        {"disk_bytes", retained->disk_bytes.back()},
        {"disk_bytes_half_way", retained->disk_bytes[retained->disk_bytes.size() / 2]}};
    retention_rows_.push_back(row);
    retained_.push_back(*std::move(retained));
  }
  return absl::OkStatus();
}

double Figure(const Row& row, const std::string& name) {
  const auto found = std::ranges::find(row.more, name, &std::pair<std::string, double>::first);
  return found == row.more.end() ? 0 : found->second;
}

// Flows by stretch, of the fastest transport.
Panel RetentionPanel(const Retained& retained) {
  BarPanel panel{"records that expire as fast as they come", "flows/s", {}};
  for (std::size_t i = 0; i < retained.stretches.size(); ++i) {
    panel.bars.push_back({std::to_string(i + 1) + "/" + std::to_string(retained.stretches.size()),
                          retained.stretches[i].operations_per_second, true});
  }
  return panel;
}

absl::Status Draw(const std::vector<Row>& rates, const Row& restart, const Row& disk,
                  const std::vector<Retained>& retained, const std::string& path) {
  BarPanel flows{"flows a second, by completed records", "flows/s", {}};
  BarPanel memory{"resident memory", "MiB", {}};
  for (const Row& row : rates) {
    const std::string records = ShortNumber(Figure(row, "completed_records"));
    flows.bars.push_back({row.transport + " " + records, Rate(row), true});
    if (const double resident = Figure(row, "resident_bytes"); resident > 0) {
      memory.bars.push_back({row.transport + " " + records, resident / kMiB, true});
    }
  }
  memory.bars.push_back({"restarted", Figure(restart, "resident_bytes") / kMiB, true});
  const BarPanel parts{"disk for a completed record",
                       "bytes",
                       {{"key", Figure(disk, "key_bytes"), false},
                        {"payload", Figure(disk, "payload_bytes"), false},
                        {"data", Figure(disk, "data_bytes_per_record"), true},
                        {"index", Figure(disk, "index_bytes_per_record"), true},
                        {"filter", Figure(disk, "filter_bytes_per_record"), true},
                        {"other", Figure(disk, "other_bytes_per_record"), true},
                        {"all", Figure(disk, "disk_bytes_per_record"), true}}};
  std::vector<Panel> panels = {flows, memory, parts};
  if (!retained.empty()) panels.push_back(RetentionPanel(retained.back()));
  return DrawChart("Latchkey with many completed records", panels, path);
}

absl::Status Scale::Report() {
  std::vector<Row> rates = empty_;
  for (Row& row : full_) {
    const auto empty = std::ranges::find(empty_, row.transport, &Row::transport);
    row.more.emplace_back("share_of_empty", Rate(row) / Rate(*empty));
    rates.push_back(row);
  }
  PrintTable(rates);
  for (const Row& row : full_) {
    std::printf("%s, %.0f completed records: %.0f%% of the empty store's rate, %.0f MiB resident\n",
                row.transport.c_str(), Figure(row, "completed_records"),
                100 * Figure(row, "share_of_empty"), Figure(row, "resident_bytes") / kMiB);
  }
  std::printf(
      "restart after SIGKILL under load, %.0f completed records, %.0f live leases: %.2f s from "
      "exec "
      "to the first acknowledged AcquireLock (at most %.2f s), %.0f MiB resident\n",
      Figure(restart_row_, "completed_records"), Figure(restart_row_, "live_leases"),
      Figure(restart_row_, "restart_seconds"), Figure(restart_row_, "restart_seconds_max"),
      Figure(restart_row_, "resident_bytes") / kMiB);
  std::printf(
      "disk after a full compaction: %.0f bytes for each of %.0f completed records (payload %.0f, "
      "key %.0f; wanted: at most %.0f): data %.0f, index %.1f, filter %.1f, other %.1f\n",
      Figure(disk_row_, "disk_bytes_per_record"), Figure(disk_row_, "completed_records"),
      Figure(disk_row_, "payload_bytes"), Figure(disk_row_, "key_bytes"),
      Figure(disk_row_, "disk_bytes_per_record_wanted"), Figure(disk_row_, "data_bytes_per_record"),
      Figure(disk_row_, "index_bytes_per_record"), Figure(disk_row_, "filter_bytes_per_record"),
      Figure(disk_row_, "other_bytes_per_record"));
  for (const Row& row : retention_rows_) {
    std::printf(
        "%s, records kept for %.0f s: %.0f flows/s in the second half of the time, %.0f%% of the "
        "rate at its begin; %.0f records made, the store has %.0f MiB, half way it had %.0f MiB\n",
        row.transport.c_str(), Figure(row, "kept_seconds"), Rate(row),
        100 * Figure(row, "share_of_first_stretch"), Figure(row, "completed_records_made"),
        Figure(row, "disk_bytes") / kMiB, Figure(row, "disk_bytes_half_way") / kMiB);
  }
  std::vector<Row> all = rates;
  all.push_back(restart_row_);
  all.push_back(disk_row_);
  all.insert(all.end(), retention_rows_.begin(), retention_rows_.end());
  if (auto written = WriteJson(all, options_.output + "/scale.json"); !written.ok()) return written;
  return Draw(rates, restart_row_, disk_row_, retained_, options_.output + "/scale.svg");
}

}  // namespace

absl::Status BenchScale(const BenchOptions& options) { return Scale(options).Run(); }

}  // namespace latchkey::bench
