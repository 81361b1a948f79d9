#include "tools/load_generator/report.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace latchkey::bench {

void PrintTable(const std::vector<Row>& rows) {
  std::printf("%-9s %-9s %-9s %11s %12s %19s %9s %9s %10s\n", "bench", "system", "transport",
              "concurrency", "operations/s", "min .. max", "p50 us", "p99 us", "p99.9 us");
  for (const Row& row : rows) {
    const auto rates = Collect(row, &Measurement::operations_per_second);
    std::printf("%-9s %-9s %-9s %11d %12.0f %9.0f..%8.0f %9.0f %9.0f %10.0f\n", row.bench.c_str(),
                row.system.c_str(), row.transport.c_str(), row.concurrency, Median(rates),
                Minimum(rates), Maximum(rates), Median(Collect(row, &Measurement::p50_us)),
                Median(Collect(row, &Measurement::p99_us)),
                Median(Collect(row, &Measurement::p999_us)));
  }
}

absl::Status WriteJson(const std::vector<Row>& rows, const std::string& path) {
  nlohmann::ordered_json array = nlohmann::ordered_json::array();
  const std::pair<const char*, double Measurement::*> figures[] = {
      {"operations_per_second", &Measurement::operations_per_second},
      {"p50_us", &Measurement::p50_us},
      {"p99_us", &Measurement::p99_us},
      {"p999_us", &Measurement::p999_us}};
  for (const Row& row : rows) {
    nlohmann::ordered_json object = {{"bench", row.bench},
                                     {"system", row.system},
                                     {"transport", row.transport},
                                     {"concurrency", row.concurrency}};
    for (const auto& [name, figure] : figures) object[name] = Median(Collect(row, figure));
    for (const auto& [name, figure] : figures) {
      object[std::string(name) + "_min"] = Minimum(Collect(row, figure));
      object[std::string(name) + "_max"] = Maximum(Collect(row, figure));
    }
    object["repetitions"] = row.repetitions.size();
    for (const auto& [name, value] : row.more) object[name] = value;
    array.push_back(std::move(object));
  }
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  std::ofstream file(path);
  file << array.dump(2) << "\n";
  file.close();
  if (!file) return absl::UnavailableError("cannot write " + path);
  std::printf("written: %s\n", path.c_str());
  return absl::OkStatus();
}

void ShowProgress(const std::string& what) {
  static const bool terminal = isatty(STDERR_FILENO) != 0;
  std::fprintf(stderr, terminal ? "\r\033[K%s" : "%s\n", what.c_str());
  if (terminal && what.empty()) std::fprintf(stderr, "\r");
}

}  // namespace latchkey::bench
