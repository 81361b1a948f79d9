#include "tools/load_generator/measurement.h"

#include <algorithm>
#include <utility>

namespace latchkey::bench {
namespace {

double Percentile(const std::vector<std::chrono::nanoseconds>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto last = static_cast<double>(sorted.size() - 1);
  return static_cast<double>(sorted[static_cast<std::size_t>(last * share)].count()) / 1000;
}

}  // namespace

Measurement Measure(std::vector<std::chrono::nanoseconds>& latencies,
                    std::chrono::nanoseconds elapsed) {
  std::sort(latencies.begin(), latencies.end());
  return {static_cast<double>(latencies.size()) / std::chrono::duration<double>(elapsed).count(),
          Percentile(latencies, 0.50), Percentile(latencies, 0.99), Percentile(latencies, 0.999)};
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double Minimum(const std::vector<double>& values) {
  return values.empty() ? 0 : *std::min_element(values.begin(), values.end());
}

double Maximum(const std::vector<double>& values) {
  return values.empty() ? 0 : *std::max_element(values.begin(), values.end());
}

std::vector<double> Collect(const Row& row, double Measurement::* figure) {
  std::vector<double> values;
  for (const Measurement& repetition : row.repetitions) values.push_back(repetition.*figure);
  return values;
}

}  // namespace latchkey::bench
