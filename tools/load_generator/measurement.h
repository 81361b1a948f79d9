// What one measured stretch of load came to, and the medians over repetitions.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace latchkey::bench {

// One repetition.
struct Measurement {
  double operations_per_second = 0;
  double p50_us = 0;
  double p99_us = 0;
  double p999_us = 0;
};

// Sorts `latencies`.
Measurement Measure(std::vector<std::chrono::nanoseconds>& latencies,
                    std::chrono::nanoseconds elapsed);

// A line of the table: a system at a concurrency, measured several times.
struct Row {
  std::string bench;
  std::string system;     // "echo" or "latchkey"
  std::string transport;  // "unary"
  int concurrency = 0;
  std::vector<Measurement> repetitions;
  // More columns of this row, for the JSON file: name and value.
  std::vector<std::pair<std::string, double>> more;
};

double Median(std::vector<double> values);
double Minimum(const std::vector<double>& values);
double Maximum(const std::vector<double>& values);

// One figure of every repetition of a row.
std::vector<double> Collect(const Row& row, double Measurement::* figure);

}  // namespace latchkey::bench
