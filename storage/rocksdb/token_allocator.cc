#include "storage/rocksdb/token_allocator.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/failpoint.h"

namespace latchkey::storage {

TokenAllocator::TokenAllocator(std::uint64_t limit, std::uint64_t block_size,
                               StoreLimit store_limit)
    : block_size_(block_size),
      store_limit_(std::move(store_limit)),
      highest_(limit),
      limit_(limit) {}

absl::StatusOr<std::uint64_t> TokenAllocator::Take(std::uint64_t count) {
  // Held while the block's end is written: whoever waits for it needs the block too.
  MutexLock lock(mutex_);
  if (limit_ - highest_ < count) {
    const std::uint64_t more = std::max(block_size_, count);
    if (limit_ > std::numeric_limits<std::uint64_t>::max() - more) {
      return absl::DataLossError("the stored fencing token is beyond anything that was ever given");
    }
    Failpoint("reserving_tokens");
    if (absl::Status stored = store_limit_(limit_ + more); !stored.ok()) return stored;
    Failpoint("reserved_tokens");
    limit_ += more;
  }
  const std::uint64_t first = highest_ + 1;
  highest_ += count;
  return first;
}

std::uint64_t TokenAllocator::highest() const {
  MutexLock lock(mutex_);
  return highest_;
}

absl::Status TokenAllocator::Raise(std::uint64_t to) {
  MutexLock lock(mutex_);
  if (to > limit_) {
    if (absl::Status stored = store_limit_(to); !stored.ok()) return stored;
    limit_ = to;
  }
  highest_ = std::max(highest_, to);
  return absl::OkStatus();
}

absl::Status TokenAllocator::Finish() {
  MutexLock lock(mutex_);
  if (highest_ == limit_) return absl::OkStatus();
  return store_limit_(highest_);
}

}  // namespace latchkey::storage
