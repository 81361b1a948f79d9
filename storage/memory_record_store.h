// A RecordStore in memory, for tests, simulations and trials: nothing survives the process.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "storage/record_store.h"

namespace latchkey::storage {

// Thread-safe. Never fails. Everything committed is durable for as long as the object lives: a
// crash, in a simulation, is a new partition over the same store. Records are kept encoded, so that
// what comes back has been through the codec as it would with a disk.
class MemoryRecordStore final : public RecordStore {
 public:
  enum class Sharing {
    kExclusive,  // one writer for each key: a wrong `expected` is the caller's bug, and aborts
    kShared,     // several writers: a write whose `expected` is not the current revision conflicts
  };

  explicit MemoryRecordStore(Sharing sharing = Sharing::kExclusive);

  absl::StatusOr<std::vector<Loaded>> Load(std::span<const std::string> store_keys) override;
  absl::StatusOr<std::vector<WriteResult>> Commit(std::span<const Write> writes) override;
  absl::StatusOr<std::vector<Scanned>> Scan(const ScanRequest& request) override;
  absl::StatusOr<StoreState> LoadState() override;
  absl::Status SaveState(const StoreState& state) override;
  std::uint64_t HighestToken() override;
  std::optional<std::uint64_t> StoredBytes(std::string_view name_space) override;
  absl::Status RaiseTokens(std::uint64_t to) override;
  bool exclusive() const override { return sharing_ == Sharing::kExclusive; }
  // Of a shared one: each change is told before its Commit returns.
  std::unique_ptr<LiveWatch> WatchLive(std::function<void(LiveChanges)> hear) override;
  // Of a shared one, in the same way. Nothing is known of what was committed before.
  std::unique_ptr<ChangeWatch> WatchChanges(std::uint64_t after,
                                            std::function<void(RecordChanges)> hear) override;
  absl::Status Close() override { return absl::OkStatus(); }

  // For tests: puts these bytes where the record of `store_key` would be. It counts as live.
  void PutBytes(const std::string& store_key, std::string bytes);

 private:
  struct Entry {
    std::string bytes;
    Revision revision = 0;
    bool live = false;
  };

  template <class Watch, class News>
  class Listener;

  void Tell(const std::string& store_key, bool was_live, bool is_live) REQUIRES(mutex_);
  std::uint64_t position() const REQUIRES(mutex_) { return first_position_ + last_revision_; }
  Loaded LoadLocked(const std::string& store_key) const REQUIRES(mutex_);
  WriteResult Apply(const Write& write) REQUIRES(mutex_);

  const Sharing sharing_;
  const std::uint64_t first_position_;
  Mutex mutex_;
  std::map<std::string, Entry> entries_ GUARDED_BY(mutex_);
  Revision last_revision_ GUARDED_BY(mutex_) = 0;
  std::uint64_t last_token_ GUARDED_BY(mutex_) = 0;
  StoreState state_ GUARDED_BY(mutex_);
  std::set<Listener<LiveWatch, LiveChanges>*> live_watches_ GUARDED_BY(mutex_);
  std::set<Listener<ChangeWatch, RecordChanges>*> change_watches_ GUARDED_BY(mutex_);
};

}  // namespace latchkey::storage
