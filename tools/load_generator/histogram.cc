#include "tools/load_generator/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace latchkey::bench {

std::size_t Histogram::BucketOf(std::uint64_t nanoseconds) {
  if (nanoseconds < kFine) return nanoseconds;
  // The leading kFineBits bits say where in its doubling it lies.
  const int shift = static_cast<int>(std::bit_width(nanoseconds)) - kFineBits;
  return static_cast<std::size_t>(shift) * (kFine / 2) + (nanoseconds >> shift);
}

std::uint64_t Histogram::TopOf(std::size_t bucket) {
  if (bucket < kFine) return bucket;
  const std::size_t shift = bucket / (kFine / 2) - 1;
  return ((bucket % (kFine / 2) + kFine / 2 + 1) << shift) - 1;
}

void Histogram::Record(std::chrono::nanoseconds duration) {
  const auto clamped = std::clamp(duration, std::chrono::nanoseconds::zero(), kLongest);
  buckets_[BucketOf(static_cast<std::uint64_t>(clamped.count()))].fetch_add(
      1, std::memory_order_relaxed);
  count_.fetch_add(1, std::memory_order_relaxed);
}

std::chrono::nanoseconds Histogram::Percentile(double share) const {
  const auto total = static_cast<double>(count());
  const auto wanted =
      static_cast<std::uint64_t>(std::max(1.0, std::ceil(std::clamp(share, 0.0, 1.0) * total)));
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    seen += buckets_[bucket].load(std::memory_order_relaxed);
    if (seen >= wanted) return std::chrono::nanoseconds(TopOf(bucket));
  }
  return std::chrono::nanoseconds::zero();
}

}  // namespace latchkey::bench
