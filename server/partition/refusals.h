// The refusals that a partition gives by itself, without looking at a record.
#pragma once

#include "server/machine/refusal.h"
#include "server/partition/call.h"

namespace latchkey {

// The caller is gone; nobody reads this. The reason is UNSPECIFIED.
Refusal Cancelled();
Refusal RecordCorrupt();
Refusal StorageUnavailable();
// Of a shared store, which may answer the next time. Whether the call took effect is not known.
Refusal StoreDidNotAnswer();
// Of a shared store that takes nothing more. Nothing was done.
Refusal StoreRefused();
Refusal ShuttingDown();
Refusal Overloaded();
Refusal SupersededByRetry();
// On one key, or in all.
Refusal WaitersLimit(std::size_t waiters_max, bool of_this_key);
// In the namespace.
Refusal WaitersQuota(std::uint64_t waiters_max);
Refusal EndedByRelease();

// Answers work that cannot be done any more because the store has failed.
void RefuseFailedStore(Work& work);

}  // namespace latchkey
