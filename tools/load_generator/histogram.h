// Counts durations in buckets whose width grows with the duration, as HdrHistogram does: three
// significant digits from a nanosecond to a quarter of an hour, in a quarter of a megabyte.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace latchkey::bench {

// Thread-safe; what is recorded while a percentile is read may or may not be in it.
class Histogram {
 public:
  // Above it every duration counts as this one.
  static constexpr std::chrono::nanoseconds kLongest{(std::int64_t{1} << 40) - 1};

  // A negative duration counts as none.
  void Record(std::chrono::nanoseconds duration);

  std::uint64_t count() const { return count_.load(std::memory_order_relaxed); }

  // The shortest duration that `share` (0 to 1) of all are not above, to within 0.1% and never
  // below it; zero if nothing was recorded.
  std::chrono::nanoseconds Percentile(double share) const;

 private:
  // Durations below kFine have a bucket each; from there on, every doubling has kFine / 2 buckets.
  static constexpr std::uint64_t kFine = 2048;
  static constexpr int kFineBits = 11;
  static constexpr int kLongestBits = 40;
  static constexpr std::size_t kBuckets = kFine + kFine / 2 * (kLongestBits - kFineBits);

  static std::size_t BucketOf(std::uint64_t nanoseconds);
  // The longest duration in a bucket.
  static std::uint64_t TopOf(std::size_t bucket);

  std::array<std::atomic<std::uint64_t>, kBuckets> buckets_ = {};
  std::atomic<std::uint64_t> count_ = 0;
};

}  // namespace latchkey::bench
