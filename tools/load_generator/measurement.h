// What one measured stretch of load came to, and the medians over repetitions.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tools/load_generator/histogram.h"

namespace latchkey::bench {

// One repetition.
struct Measurement {
  double operations_per_second = 0;
  double p50_us = 0;
  double p99_us = 0;
  double p999_us = 0;
  double longest_us = 0;
  // Cache flushes of the disk, whoever asked for them; negative: they are not counted here.
  double fdatasync_per_second = -1;
  // What the system took of all processors, and what its client did, from 0 to 1; negative: not
  // measured.
  double cpu_share = -1;
  double client_cpu_share = -1;
};

// What was recorded within `elapsed`.
Measurement Measure(const Histogram& latencies, std::chrono::nanoseconds elapsed);

// A line of the table: a system at a concurrency, measured several times.
struct Row {
  std::string bench;
  // What of it, where one benchmark measures several things.
  std::string part;
  std::string system;
  std::string version;
  std::string transport;
  std::string durability;
  int concurrency = 0;  // 0: it says nothing here
  // What `operations_per_second` is called in the table and in JSON.
  std::string rate_name = "flows_per_second";
  // May be empty, of what is not measured in repetitions.
  std::vector<Measurement> repetitions;
  // More columns of this row, for the JSON file: name and value.
  std::vector<std::pair<std::string, double>> more;
};

// How a row compares with another one that took turns with it.
struct Share {
  double median = 0;
  double smallest = 0;
  double largest = 0;
};

double Median(std::vector<double> values);
double Minimum(const std::vector<double>& values);
double Maximum(const std::vector<double>& values);

// One figure of every repetition of a row.
std::vector<double> Collect(const Row& row, double Measurement::* figure);
// The median rate of a row.
double Rate(const Row& row);

// A figure of `row` as a share of that of `whole`, repetition by repetition, so that what slows the
// machine down for a while slows both. Zeros where they have no repetition in common.
Share ShareOf(const Row& row, const Row& whole, double Measurement::* figure);

}  // namespace latchkey::bench
