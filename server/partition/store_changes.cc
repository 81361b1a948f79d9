#include "server/partition/store_changes.h"

#include "server/machine/namespaces.h"
#include "server/partition/change_feed.h"
#include "server/retention/retention.h"
#include "storage/store_key.h"

namespace latchkey {

void StoreChanges::Follow() {
  ChangeFeed& feed = *environment_.changes;
  if (!feed.watched()) return Stop();
  if (watch_ != nullptr) return;
  watch_ = environment_.store->WatchChanges(
      feed.begin_after(), [this](const storage::RecordChanges& told) { Hear(told); });
}

void StoreChanges::Stop() {
  if (watch_ == nullptr) return;
  watch_.reset();
  environment_.changes->Forget();
}

void StoreChanges::Hear(const storage::RecordChanges& told) {
  ChangeFeed& feed = *environment_.changes;
  if (told.begins) feed.Restart(told.position);
  Context context;
  context.now = environment_.retention->At(environment_.clock->Monotonic());
  context.limits = environment_.limits;
  for (const storage::RecordChange& change : told.changes) {
    if (change.loaded.corrupt) continue;  // nothing can be shown of it
    const auto parts = storage::SplitStoreKey(change.store_key);
    context.name_space = parts.name_space;
    context.key = parts.key;
    context.settings = &environment_.namespaces->Get(parts.name_space);
    feed.PublishTold(change.store_key, change.loaded.record, context, change.position);
  }
  feed.Advance(told.position);
  feed.Announce();
}

}  // namespace latchkey
