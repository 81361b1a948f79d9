#include "server/partition/quotas.h"

#include <algorithm>
#include <utility>

namespace latchkey {
namespace {

constexpr Duration kSecond = std::chrono::seconds(1);

// How long the bucket takes to fill up by one key.
Duration Interval(std::uint64_t per_second) {
  return kSecond / static_cast<std::int64_t>(
                       std::clamp<std::uint64_t>(per_second, 1, std::uint64_t{1'000'000'000}));
}

template <class Map>
auto ValueOr0(const Map& map, std::string_view name_space) {
  const auto found = map.find(name_space);
  return found == map.end() ? std::uint64_t{0} : found->second;
}

}  // namespace

std::optional<Duration> Quotas::UntilNextKey(std::string_view name_space, std::uint64_t per_second,
                                             MonotonicTime now) const {
  MutexLock lock(mutex_);
  const auto found = full_at_.find(name_space);
  if (found == full_at_.end()) return std::nullopt;
  const Duration until = found->second - now - (kSecond - Interval(per_second));
  return until > Duration::zero() ? std::optional(until) : std::nullopt;
}

void Quotas::CountKey(std::string_view name_space, std::uint64_t per_second, MonotonicTime now) {
  MutexLock lock(mutex_);
  auto found = full_at_.find(name_space);
  if (found == full_at_.end()) {
    if (full_at_.size() >= buckets_max_) DropFullBuckets(now);
    found = full_at_.emplace(std::string(name_space), now).first;
  }
  found->second = std::max(found->second, now) + Interval(per_second);
}

// A full bucket is as one that was never used. The bound grows with those that are not, so that
// dropping costs little for each key.
void Quotas::DropFullBuckets(MonotonicTime now) {
  std::erase_if(full_at_, [now](const auto& bucket) { return bucket.second <= now; });
  buckets_max_ = std::max<std::size_t>(1'024, 2 * full_at_.size());
}

bool Quotas::AddWaiter(std::string_view name_space, std::uint64_t waiters_max) {
  MutexLock lock(mutex_);
  auto found = waiters_.find(name_space);
  if (waiters_max != 0 && found != waiters_.end() && found->second >= waiters_max) return false;
  if (found == waiters_.end()) found = waiters_.emplace(std::string(name_space), 0).first;
  ++found->second;
  return true;
}

void Quotas::RemoveWaiters(std::string_view name_space, std::size_t count) {
  MutexLock lock(mutex_);
  const auto found = waiters_.find(name_space);
  if (found == waiters_.end()) return;
  found->second -= std::min<std::uint64_t>(found->second, count);
  if (found->second == 0) waiters_.erase(found);
}

std::uint64_t Quotas::Waiters(std::string_view name_space) const {
  MutexLock lock(mutex_);
  return ValueOr0(waiters_, name_space);
}

void Quotas::SetStoredBytes(Bytes bytes) {
  MutexLock lock(mutex_);
  stored_bytes_ = std::move(bytes);
}

std::uint64_t Quotas::StoredBytes(std::string_view name_space) const {
  MutexLock lock(mutex_);
  return ValueOr0(stored_bytes_, name_space);
}

}  // namespace latchkey
