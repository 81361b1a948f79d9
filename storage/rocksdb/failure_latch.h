// Remembers that a store has failed. RocksDB resumes by itself, for instance when a full disk has
// room again, and would then write on behind a hole; so its own state is never asked, only this.
#pragma once

#include <atomic>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "base/mutex.h"

namespace rocksdb {
class EventListener;
class Status;
}  // namespace rocksdb

namespace latchkey::storage {

// Thread-safe.
class FailureLatch final : public std::enable_shared_from_this<FailureLatch> {
 public:
  // OK, or UNAVAILABLE with the first failure, for ever.
  absl::Status Check() const;

  // Latches, unless an earlier failure has, and returns what every call answers from now on.
  // `doing` says what failed, as in "writing a batch".
  absl::Status Fail(std::string_view doing, const rocksdb::Status& cause);

  // Latches on what RocksDB reports from the background, a flush or a compaction, and keeps RocksDB
  // from trying to recover. The listener shares the latch.
  std::shared_ptr<rocksdb::EventListener> MakeListener();

 private:
  std::atomic<bool> failed_ = false;
  mutable Mutex mutex_;
  absl::Status failure_ GUARDED_BY(mutex_);
};

}  // namespace latchkey::storage
