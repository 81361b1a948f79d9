// Counters and histograms that many threads add to without meeting: every thread has a shard, and
// whoever reads adds up all of them.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace latchkey {

inline constexpr std::size_t kShards = 16;

// Which shard the calling thread adds to. Threads beyond kShards share them.
inline std::size_t ShardOfThread() {
  static std::atomic<std::size_t> threads = 0;
  thread_local const std::size_t shard = threads.fetch_add(1) % kShards;
  return shard;
}

class Cell {
 public:
  void Add(std::uint64_t amount = 1) { value_.fetch_add(amount, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_ = 0;
};

// One thread's share of a histogram. The bounds are upper bounds, inclusive, and rise; there is one
// more bucket for what is above the last.
template <std::size_t kBounds>
class HistogramCells {
 public:
  using Bounds = std::array<std::uint64_t, kBounds>;

  void Observe(const Bounds& bounds, std::uint64_t value) {
    std::size_t bucket = 0;
    while (bucket < kBounds && value > bounds[bucket]) ++bucket;
    counts_[bucket].Add();
    sum_.Add(value);
  }
  std::uint64_t count(std::size_t bucket) const { return counts_[bucket].value(); }
  std::uint64_t sum() const { return sum_.value(); }

 private:
  std::array<Cell, kBounds + 1> counts_;
  Cell sum_;
};

}  // namespace latchkey
