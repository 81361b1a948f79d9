#include "tools/simulation/floors.h"

namespace latchkey::simulation {
namespace {

std::uint64_t CountOf(const RunnerReport& report, const std::string& name) {
  const auto found = report.counts.find(name);
  return found == report.counts.end() ? 0 : found->second;
}

}  // namespace

const std::vector<std::string>& ShownCounts() {
  static const auto& names =
      *new std::vector<std::string>{"acknowledged", "unknown", "grants",   "recoveries", "replays",
                                    "renewals",     "lapses",  "recorded", "paid",       "crashes"};
  return names;
}

std::vector<std::string> MissedFloors(const RunnerReport& report) {
  std::vector<std::string> missed;
  for (const auto& [name, count] : report.counts) {
    if (count == 0) missed.push_back(name + " is 0");
  }
  const std::uint64_t acknowledged = CountOf(report, "acknowledged");
  const std::uint64_t unknown = CountOf(report, "unknown");
  if (acknowledged < unknown) {
    missed.push_back("acknowledged=" + std::to_string(acknowledged) +
                     " is less than unknown=" + std::to_string(unknown));
  }
  return missed;
}

}  // namespace latchkey::simulation
