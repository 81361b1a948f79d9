#include "server/metrics/doubt_ages.h"

#include <algorithm>

namespace latchkey {
namespace {

std::int64_t SecondOf(std::int64_t nanos) { return nanos / 1'000'000'000; }

}  // namespace

void DoubtAges::Add(std::size_t label, std::int64_t since_nanos) {
  MutexLock lock(mutex_);
  ++since_[label][SecondOf(since_nanos)];
}

void DoubtAges::Remove(std::size_t label, std::int64_t since_nanos) {
  MutexLock lock(mutex_);
  const auto found = since_[label].find(SecondOf(since_nanos));
  if (found == since_[label].end()) return;
  if (--found->second == 0) since_[label].erase(found);
}

std::optional<Duration> DoubtAges::OldestAge(std::size_t label, WallTime now) const {
  MutexLock lock(mutex_);
  if (since_[label].empty()) return std::nullopt;
  const WallTime oldest = WallTimeFromNanos(since_[label].begin()->first * 1'000'000'000);
  return std::max(now - oldest, Duration::zero());
}

}  // namespace latchkey
