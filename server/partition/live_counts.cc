#include "server/partition/live_counts.h"

namespace latchkey {

void LiveCounts::Add(std::string_view name_space, int held, int in_doubt) {
  if (held == 0 && in_doubt == 0) return;
  MutexLock lock(mutex_);
  auto found = counts_.find(name_space);
  if (found == counts_.end()) found = counts_.emplace(std::string(name_space), Counts()).first;
  found->second.held += static_cast<std::uint64_t>(held);  // wraps back for -1
  found->second.in_doubt += static_cast<std::uint64_t>(in_doubt);
  if (found->second.live() == 0) counts_.erase(found);
}

LiveCounts::Counts LiveCounts::Get(std::string_view name_space) const {
  MutexLock lock(mutex_);
  const auto found = counts_.find(name_space);
  return found == counts_.end() ? Counts() : found->second;
}

std::map<std::string, LiveCounts::Counts> LiveCounts::All() const {
  MutexLock lock(mutex_);
  return {counts_.begin(), counts_.end()};
}

}  // namespace latchkey
