#include "tools/load_generator/report.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

namespace latchkey::bench {

namespace {

// "flows_per_second" -> "flows/s".
std::string Heading(const std::string& rate_name) {
  return rate_name.substr(0, rate_name.find('_')) + "/s";
}

// "answers_per_second" -> "answers/s".
std::string Words(std::string name) {
  constexpr std::string_view kRate = "_per_second";
  if (name.ends_with(kRate)) name.replace(name.size() - kRate.size(), kRate.size(), "/s");
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

nlohmann::ordered_json ToJson(const Row& row) {
  nlohmann::ordered_json object = {{"bench", row.bench}};
  if (!row.part.empty()) object["part"] = row.part;
  object["system"] = row.system;
  object["version"] = row.version;
  object["transport"] = row.transport;
  object["durability"] = row.durability;
  if (row.concurrency > 0) object["concurrency"] = row.concurrency;
  const std::pair<std::string, double Measurement::*> figures[] = {
      {row.rate_name, &Measurement::operations_per_second},
      {"p50_us", &Measurement::p50_us},
      {"p99_us", &Measurement::p99_us},
      {"p999_us", &Measurement::p999_us},
      {"longest_us", &Measurement::longest_us},
      {"fdatasync_per_second", &Measurement::fdatasync_per_second},
      {"cpu_share", &Measurement::cpu_share}};
  if (!row.repetitions.empty()) {
    for (const auto& [name, figure] : figures) {
      if (const double median = Median(Collect(row, figure)); median >= 0) object[name] = median;
    }
    for (const auto& [name, figure] : figures) {
      if (!object.contains(name)) continue;
      object[name + "_min"] = Minimum(Collect(row, figure));
      object[name + "_max"] = Maximum(Collect(row, figure));
    }
    object["repetitions"] = row.repetitions.size();
  }
  for (const auto& [name, value] : row.more) object[name] = value;
  return object;
}

// 2026-01-31, in UTC.
std::string Today() {
  const auto today = std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now());
  const std::chrono::year_month_day date(today);
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02u", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  return text.data();
}

// How many processors of what kind.
std::string Machine() {
  const std::string cores = std::to_string(std::thread::hardware_concurrency());
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return cores + " x " + line.substr(line.find(':') + 2);
  }
  return cores + " processors";
}

}  // namespace

void PrintTable(const std::vector<Row>& rows) {
  if (rows.empty()) return;
  std::printf("%-8s %-15s %-9s %11s %12s %19s %9s %9s %9s %8s\n", "bench", "system", "transport",
              "concurrency", Heading(rows.front().rate_name).c_str(), "min .. max", "p50 us",
              "p99 us", "p99.9 us", "syncs/s");
  for (const Row& row : rows) {
    const auto rates = Collect(row, &Measurement::operations_per_second);
    const double syncs = Median(Collect(row, &Measurement::fdatasync_per_second));
    std::printf(
        "%-8s %-15s %-9s %11d %12.0f %9.0f..%8.0f %9.0f %9.0f %9.0f %8s\n", row.bench.c_str(),
        row.system.c_str(), row.transport.c_str(), row.concurrency, Median(rates), Minimum(rates),
        Maximum(rates), Median(Collect(row, &Measurement::p50_us)),
        Median(Collect(row, &Measurement::p99_us)), Median(Collect(row, &Measurement::p999_us)),
        syncs < 0 ? "-" : std::to_string(std::lround(syncs)).c_str());
  }
}

void PrintBesideFirst(const std::string& heading, std::vector<Row>& rows) {
  if (rows.empty()) return;
  std::printf("%-32s %9s %18s %9s %13s %8s %8s %9s", heading.c_str(),
              Heading(rows.front().rate_name).c_str(), "min .. max", "of first", "min .. max",
              "p50 us", "p99 us", "of first");
  for (const auto& [name, value] : rows.front().more) std::printf("  %s", Words(name).c_str());
  std::printf("\n");
  const Row first = rows.front();
  for (Row& row : rows) {
    const auto rates = Collect(row, &Measurement::operations_per_second);
    const Share rate = ShareOf(row, first, &Measurement::operations_per_second);
    const Share p99 = ShareOf(row, first, &Measurement::p99_us);
    std::printf("%-32s %9.0f %8.0f..%8.0f %8.1f%% %5.1f%%..%5.1f%% %8.0f %8.0f %8.0f%%",
                row.part.c_str(), Median(rates), Minimum(rates), Maximum(rates), 100 * rate.median,
                100 * rate.smallest, 100 * rate.largest, Median(Collect(row, &Measurement::p50_us)),
                Median(Collect(row, &Measurement::p99_us)), 100 * p99.median);
    for (const auto& [name, value] : row.more) {
      std::printf("  %*.0f", static_cast<int>(Words(name).size()), value);
    }
    std::printf("\n");
    row.more.insert(row.more.end(), {{"share_of_first", rate.median},
                                     {"share_of_first_min", rate.smallest},
                                     {"share_of_first_max", rate.largest},
                                     {"p99_share_of_first", p99.median}});
  }
}

absl::Status WriteJson(const std::vector<Row>& rows, const std::string& path) {
  nlohmann::ordered_json array = nlohmann::ordered_json::array();
  const std::string date = Today();
  const std::string machine = Machine();
  for (const Row& row : rows) {
    auto& object = array.emplace_back(ToJson(row));
    object["date"] = date;
    object["machine"] = machine;
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
  if (terminal) {
    std::fprintf(stderr, "\r\033[K%s", what.c_str());
  } else if (!what.empty()) {
    std::fprintf(stderr, "%s\n", what.c_str());
  }
}

}  // namespace latchkey::bench
