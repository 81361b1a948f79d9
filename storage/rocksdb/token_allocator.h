// Gives out fencing tokens that never repeat, whatever happens to the process: they come from
// blocks whose end is stored durably before the first token of the block is used, so that a crash
// skips the rest of a block and nothing is ever given twice.
#pragma once

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"

namespace latchkey::storage {

// Thread-safe. One for a store, whatever number of threads commits: tokens rise across all of them.
class TokenAllocator {
 public:
  // Stores durably that tokens up to and including `limit` may have been given.
  using StoreLimit = std::function<absl::Status(std::uint64_t limit)>;

  // `limit` is what was stored last, 0 in a new store. Blocks have `block_size` tokens, or as many
  // as one call needs.
  TokenAllocator(std::uint64_t limit, std::uint64_t block_size, StoreLimit store_limit);

  // Takes `count` consecutive tokens and returns the first. Higher than any that an earlier call
  // returned.
  absl::StatusOr<std::uint64_t> Take(std::uint64_t count);

  // No token above this one was ever given.
  std::uint64_t highest() const;

  // Gives no token up to this one any more; durable on return. Never lowers anything.
  absl::Status Raise(std::uint64_t to);

  // Stores the exact end, so that the next start wastes nothing. No Take may follow.
  absl::Status Finish();

 private:
  const std::uint64_t block_size_;
  const StoreLimit store_limit_;
  mutable Mutex mutex_;
  std::uint64_t highest_ GUARDED_BY(mutex_);  // given
  std::uint64_t limit_ GUARDED_BY(mutex_);    // stored; never below highest_
};

}  // namespace latchkey::storage
