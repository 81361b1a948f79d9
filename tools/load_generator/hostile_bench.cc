// How good callers fare, and how much memory the server takes, while bad ones do their worst.

#include <sys/resource.h>

#include <cstdio>
#include <string>
#include <utility>

#include "tools/load_generator/attacks.h"
#include "tools/load_generator/own_systems.h"
#include "tools/load_generator/report.h"
#include "tools/load_generator/scratch.h"

namespace latchkey::bench {
namespace {

constexpr int kGoodCallers = 4;
constexpr double kMebibyte = 1024.0 * 1024.0;

// A socket for each connection, at both ends. The server inherits the bound.
absl::Status AllowManyFiles(int wanted) {
  rlimit files = {};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  if (files.rlim_max < static_cast<rlim_t>(wanted) || ::setrlimit(RLIMIT_NOFILE, &files) != 0) {
    return absl::FailedPreconditionError("needs " + std::to_string(wanted) +
                                         " open files; raise the limit with ulimit -n");
  }
  return absl::OkStatus();
}

absl::StatusOr<Measurement> GoodCalls(const BenchOptions& options, const ServerProcess& server,
                                      const std::string& attack) {
  LoadOptions load;
  load.concurrency = kGoodCallers;
  load.warm_up = options.warm_up;
  load.measure = options.measure;
  load.key_prefix = "good";
  load.progress = "hostile: good callers beside " + attack;
  const auto driver =
      MakeLatchkeyDriver(kFastest, server.address(), Flow::kAcquireAndRecord, kGoodCallers);
  return RunLoad(*driver, load);
}

absl::StatusOr<Row> MeasureBeside(const BenchOptions& options, const AttackKind* kind) {
  FreshServer server(options);
  if (!server.process.ok()) return server.process.status();
  const std::string name = kind == nullptr ? "nothing" : kind->name;
  const auto before = static_cast<double>(ResidentBytes(*server.process));
  std::unique_ptr<Attack> attack;
  if (kind != nullptr) {
    ShowProgress("hostile: " + name);
    auto begun = kind->begin(options, *server.process);
    if (!begun.ok()) return begun.status();
    attack = *std::move(begun);
  }
  const auto good = GoodCalls(options, *server.process, name);
  if (!good.ok()) {
    return absl::UnavailableError("good callers failed beside " + name + ": " +
                                  std::string(good.status().message()));
  }
  Row row = LatchkeyRow(options, "hostile", name, kFastest);
  row.concurrency = kGoodCallers;
  row.repetitions = {*good};
  row.more = {{"attackers", attack == nullptr ? 0.0 : static_cast<double>(attack->count())},
              {"resident_bytes_before", before},
              {"peak_resident_bytes", static_cast<double>(PeakResidentBytes(*server.process))}};
  return row;
}

void Print(const std::vector<Row>& rows) {
  ShowProgress("");
  std::printf("%-20s %12s %10s %10s %10s %12s %10s\n", "beside", "attackers", "flows/s", "p50 us",
              "p99 us", "longest us", "peak MiB");
  for (const Row& row : rows) {
    const Measurement& good = row.repetitions.front();
    std::printf("%-20s %12.0f %10.0f %10.0f %10.0f %12.0f %10.1f\n", row.part.c_str(),
                row.more[0].second, good.operations_per_second, good.p50_us, good.p99_us,
                good.longest_us, row.more[2].second / kMebibyte);
  }
}

}  // namespace

absl::Status BenchHostile(const BenchOptions& options) {
  if (auto may = AllowManyFiles(options.hostile_connections + 1'000); !may.ok()) return may;
  std::vector<Row> rows;
  const auto undisturbed = MeasureBeside(options, nullptr);
  if (!undisturbed.ok()) return undisturbed.status();
  rows.push_back(*undisturbed);
  for (const AttackKind& kind : Attacks()) {
    const auto row = MeasureBeside(options, &kind);
    if (!row.ok()) return row.status();
    rows.push_back(*row);
  }
  Print(rows);
  return WriteJson(rows, options.output + "/hostile.json");
}

}  // namespace latchkey::bench
