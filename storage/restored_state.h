// What a store must know of itself before it may serve what was saved from another, or an earlier,
// one: nobody can say what happened since.
#pragma once

#include <cstdint>

#include "base/time.h"
#include "storage/record_store.h"

namespace latchkey::storage {

// Revisions of WatchRecords go on at least here after a restore at `now`.
std::uint64_t RestoreFloor(WallTime now);

// Tokens go on above this one after a restore at `now` of what was saved at `saved_at`, when none
// above `saved` had been given. At least unix milliseconds x 2^20, and above all that the store can
// have given since, however often what was saved is restored: none gives 2^20 tokens in a
// millisecond.
std::uint64_t TokenAfterRestore(std::uint64_t saved, WallTime saved_at, WallTime now);

// Opens the doubt of a restore at `now` (rule 17). `fencing_token`: none above it was given before.
void OpenRestoreDoubt(WallTime now, std::uint64_t fencing_token, StoreState& state);

}  // namespace latchkey::storage
