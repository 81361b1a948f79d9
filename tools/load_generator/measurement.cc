#include "tools/load_generator/measurement.h"

#include <algorithm>
#include <utility>

namespace latchkey::bench {
namespace {

double PercentileUs(const Histogram& latencies, double share) {
  return static_cast<double>(latencies.Percentile(share).count()) / 1000;
}

}  // namespace

Measurement Measure(const Histogram& latencies, std::chrono::nanoseconds elapsed) {
  return {static_cast<double>(latencies.count()) / std::chrono::duration<double>(elapsed).count(),
          PercentileUs(latencies, 0.50), PercentileUs(latencies, 0.99),
          PercentileUs(latencies, 0.999), PercentileUs(latencies, 1)};
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
  values.reserve(row.repetitions.size());
  for (const Measurement& repetition : row.repetitions) values.push_back(repetition.*figure);
  return values;
}

double Rate(const Row& row) { return Median(Collect(row, &Measurement::operations_per_second)); }

Share ShareOf(const Row& row, const Row& whole, double Measurement::* figure) {
  std::vector<double> shares;
  const std::size_t repetitions = std::min(row.repetitions.size(), whole.repetitions.size());
  for (std::size_t i = 0; i < repetitions; ++i) {
    if (whole.repetitions[i].*figure > 0) {
      shares.push_back((row.repetitions[i].*figure) / (whole.repetitions[i].*figure));
    }
  }
  return {Median(shares), Minimum(shares), Maximum(shares)};
}

}  // namespace latchkey::bench
