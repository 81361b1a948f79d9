#include "server/partition/live_census.h"

#include <utility>

#include "storage/store_key.h"

namespace latchkey {

using State = v1::CheckResultResponse;

void LiveCensus::Hear(const storage::LiveChanges& told) {
  if (told.begins) {
    ++list_;
    listing_ = true;
  }
  for (const storage::LiveChange& change : told.changes) {
    Forget(change.store_key);
    const auto& record = change.loaded.record;
    if (!record.has_value()) continue;
    Seen seen{.held = record->state() == State::HELD, .list = list_};
    if (!seen.held) seen.doubt_since_nanos = record->state_since_nanos();
    Count(change.store_key, seen, 1);
    seen_.emplace(change.store_key, seen);
  }
  if (!told.complete || !std::exchange(listing_, false)) return;
  for (auto place = seen_.begin(); place != seen_.end();) {
    const auto seen = place++;
    if (seen->second.list == list_) continue;
    Count(seen->first, seen->second, -1);
    seen_.erase(seen);
  }
}

void LiveCensus::Forget(const std::string& store_key) {
  const auto found = seen_.find(store_key);
  if (found == seen_.end()) return;
  Count(store_key, found->second, -1);
  seen_.erase(found);
}

void LiveCensus::Count(const std::string& store_key, const Seen& seen, int by) {
  const auto name_space = storage::SplitStoreKey(store_key).name_space;
  counts_.Add(name_space, seen.held ? by : 0, seen.held ? 0 : by);
  if (!seen.held) meter_.OnDoubt(name_space, seen.doubt_since_nanos, by > 0);
}

}  // namespace latchkey
