// What a partition keeps in memory, and for how long. Part of partition.h.

#include <algorithm>
#include <string_view>

#include "server/machine/namespaces.h"
#include "server/partition/entry.h"
#include "server/partition/partition.h"
#include "server/partition/quotas.h"
#include "server/partition/refusals.h"

namespace latchkey {

void Partition::DropIdleEntries() {
  staged_.clear();
  for (Entry* entry : visited_) {
    entry->visited = false;
    entry->staged = false;
    const bool needed = !exclusive_ && (entry->deferred || entry->kept);
    entry->deferred = false;
    entry->kept = false;
    if (entry->held() || entry->waiting() > 0 || needed) continue;
    entries_.erase(entry->store_key);
  }
  visited_.clear();
}

// Fail-stop: nothing that was decided may be acknowledged, nothing in memory may be believed.
void Partition::FailEverything() {
  for (Answer& answer : answers_) answer.call->Finish(StorageUnavailable());
  answers_.clear();
  losses_.clear();
  for (Work& item : backlog_) RefuseFailedStore(item);
  backlog_.clear();
  for (Entry* entry : EntriesWithWaiters()) {
    for (const Waiter& waiter : entry->waiters->acquires())
      waiter.call->Finish(StorageUnavailable());
    for (const Waiter& waiter : entry->waiters->checks()) waiter.call->Finish(StorageUnavailable());
    environment_.waiters->fetch_sub(entry->waiting());
    if (environment_.quotas != nullptr) {
      environment_.quotas->RemoveWaiters(entry->name_space(), entry->waiting());
    }
  }
  visited_.clear();
  staged_.clear();
  lease_timers_.Clear();
  wait_timers_.Clear();
  entries_.clear();
}

std::optional<MonotonicTime> Partition::NextTimer() const {
  const auto lease = lease_timers_.Next();
  const auto wait = wait_timers_.Next();
  if (!lease.has_value() || !wait.has_value()) return lease.has_value() ? lease : wait;
  return std::min(*lease, *wait);
}

Partition::Entry* Partition::Find(const std::string& store_key) const {
  const auto found = entries_.find(store_key);
  return found == entries_.end() ? nullptr : found->second.get();
}

std::vector<Partition::Entry*> Partition::EntriesWithWaiters() const {
  std::vector<Entry*> found;
  for (const auto& [store_key, entry] : entries_) {
    if (entry->waiting() > 0) found.push_back(entry.get());
  }
  std::ranges::sort(found, {},
                    [](const Entry* entry) { return std::string_view(entry->store_key); });
  return found;
}

std::pair<Partition::Entry&, bool> Partition::FindOrAdd(const std::string& store_key) {
  const auto [place, added] = entries_.try_emplace(store_key);
  if (added) {
    const auto name_space = storage::SplitStoreKey(store_key).name_space;
    place->second = std::make_unique<Entry>(store_key, environment_.namespaces->Get(name_space),
                                            ++entries_made_);
  }
  return {*place->second, added};
}

}  // namespace latchkey
