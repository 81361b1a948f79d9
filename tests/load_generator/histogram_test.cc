// The histogram against sorted vectors: what is lost is only the fourth digit. And how rows are
// compared.

#include "tools/load_generator/histogram.h"

#include <algorithm>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "tools/load_generator/measurement.h"
#include <gtest/gtest.h>

namespace latchkey::bench {
namespace {

using std::chrono::nanoseconds;

TEST(HistogramTest, OfNothingIsZero) {
  const auto histogram = std::make_unique<Histogram>();
  EXPECT_EQ(histogram->count(), 0U);
  EXPECT_EQ(histogram->Percentile(0.5), nanoseconds(0));
}

TEST(HistogramTest, IsExactBelowTwoMicroseconds) {
  const auto histogram = std::make_unique<Histogram>();
  for (int i = 1; i <= 1000; ++i) histogram->Record(nanoseconds(i));
  EXPECT_EQ(histogram->count(), 1000U);
  EXPECT_EQ(histogram->Percentile(0), nanoseconds(1));
  EXPECT_EQ(histogram->Percentile(0.5), nanoseconds(500));
  EXPECT_EQ(histogram->Percentile(0.99), nanoseconds(990));
  EXPECT_EQ(histogram->Percentile(0.999), nanoseconds(999));
  EXPECT_EQ(histogram->Percentile(1), nanoseconds(1000));
}

TEST(HistogramTest, KeepsThreeDigitsOfEveryDuration) {
  for (std::int64_t duration = 1; duration < Histogram::kLongest.count();
       duration = duration * 5 / 4 + 1) {
    const auto histogram = std::make_unique<Histogram>();
    histogram->Record(nanoseconds(duration));
    const std::int64_t shown = histogram->Percentile(0.5).count();
    EXPECT_GE(shown, duration);
    EXPECT_LE(static_cast<double>(shown), 1.001 * static_cast<double>(duration));
  }
}

TEST(HistogramTest, AgreesWithASortedVector) {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> distribution(13, 1.5);
  const auto histogram = std::make_unique<Histogram>();
  std::vector<double> all;
  for (int i = 0; i < 100'000; ++i) {
    const nanoseconds duration(static_cast<std::int64_t>(distribution(random)));
    histogram->Record(duration);
    all.push_back(static_cast<double>(duration.count()));
  }
  std::ranges::sort(all);
  for (const double share : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    const double exact = all[static_cast<std::size_t>(share * static_cast<double>(all.size())) - 1];
    const auto shown = static_cast<double>(histogram->Percentile(share).count());
    EXPECT_GE(shown, exact) << share;
    EXPECT_LE(shown, 1.001 * exact) << share;
  }
}

TEST(HistogramTest, ClampsWhatDoesNotFit) {
  const auto histogram = std::make_unique<Histogram>();
  histogram->Record(nanoseconds(-5));
  EXPECT_EQ(histogram->Percentile(1), nanoseconds(0));
  histogram->Record(std::chrono::hours(24));
  EXPECT_EQ(histogram->Percentile(1), Histogram::kLongest);
  EXPECT_EQ(histogram->count(), 2U);
}

TEST(HistogramTest, CountsWhatManyThreadsRecord) {
  const auto histogram = std::make_unique<Histogram>();
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&histogram] {
      for (int i = 0; i < 10'000; ++i) histogram->Record(nanoseconds(i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(histogram->count(), 40'000U);
  EXPECT_EQ(histogram->Percentile(0.1), nanoseconds(999));
}

Row RowOf(const std::vector<double>& rates) {
  Row row;
  for (const double rate : rates) row.repetitions.push_back({.operations_per_second = rate});
  return row;
}

TEST(ShareTest, IsTakenRepetitionByRepetition) {
  // The machine was half as fast in the second one, and both suffered.
  const Share share =
      ShareOf(RowOf({90, 50, 99}), RowOf({100, 50, 110}), &Measurement::operations_per_second);
  EXPECT_DOUBLE_EQ(share.median, 0.9);
  EXPECT_DOUBLE_EQ(share.smallest, 0.9);
  EXPECT_DOUBLE_EQ(share.largest, 1);
}

TEST(ShareTest, OfNothingIsNothing) {
  EXPECT_EQ(ShareOf(RowOf({}), RowOf({1}), &Measurement::operations_per_second).median, 0);
  EXPECT_EQ(ShareOf(RowOf({1}), RowOf({0}), &Measurement::operations_per_second).largest, 0);
}

}  // namespace
}  // namespace latchkey::bench
