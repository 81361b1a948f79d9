#include "storage/memory_record_store.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "storage/record_codec.h"
#include "storage/store_key.h"

namespace latchkey::storage {
namespace {

// So that no position of one store is taken for one of another.
std::uint64_t NextFirstPosition() {
  constexpr int kPositionBits = 40;
  static std::atomic<std::uint64_t> stores = 0;
  return ++stores << kPositionBits;
}

[[noreturn]] void AbortOnWrongRevision(const Write& write, Revision current) {
  std::fprintf(stderr, "the only writer of a key expects revision %llu of it; the store has %llu\n",
               static_cast<unsigned long long>(write.expected),
               static_cast<unsigned long long>(current));
  std::abort();
}

}  // namespace

MemoryRecordStore::MemoryRecordStore(Sharing sharing)
    : sharing_(sharing), first_position_(NextFirstPosition()) {}

// Takes itself out of those that are told.
template <class Watch, class News>
class MemoryRecordStore::Listener final : public Watch {
 public:
  Listener(Mutex& mutex, std::set<Listener*>& all, std::function<void(News)> hears)
      : hear(std::move(hears)), mutex_(mutex), all_(all) {}
  ~Listener() override {
    MutexLock lock(mutex_);
    all_.erase(this);
  }
  const std::function<void(News)> hear;

 private:
  Mutex& mutex_;
  std::set<Listener*>& all_;
};

absl::StatusOr<std::vector<Loaded>> MemoryRecordStore::Load(
    std::span<const std::string> store_keys) {
  MutexLock lock(mutex_);
  std::vector<Loaded> answer;
  answer.reserve(store_keys.size());
  for (const std::string& store_key : store_keys) answer.push_back(LoadLocked(store_key));
  return answer;
}

absl::StatusOr<std::vector<WriteResult>> MemoryRecordStore::Commit(std::span<const Write> writes) {
  MutexLock lock(mutex_);
  std::vector<WriteResult> results;
  results.reserve(writes.size());
  for (const Write& write : writes) results.push_back(Apply(write));
  return results;
}

absl::StatusOr<std::vector<Scanned>> MemoryRecordStore::Scan(const ScanRequest& request) {
  MutexLock lock(mutex_);
  std::vector<Scanned> found;
  auto entry = request.after < request.prefix ? entries_.lower_bound(request.prefix)
                                              : entries_.upper_bound(request.after);
  for (; entry != entries_.end() && found.size() < request.limit; ++entry) {
    if (!entry->first.starts_with(request.prefix)) break;
    if (request.live_only && !entry->second.live) continue;
    found.push_back({entry->first, DecodeLoaded(entry->second.bytes, entry->second.revision)});
  }
  return found;
}

absl::StatusOr<StoreState> MemoryRecordStore::LoadState() {
  MutexLock lock(mutex_);
  return state_;
}

absl::Status MemoryRecordStore::SaveState(const StoreState& state) {
  MutexLock lock(mutex_);
  if (sharing_ == Sharing::kShared && state.version() != state_.version() + 1) {
    return absl::AbortedError("another server has saved the store's state");
  }
  state_ = state;
  return absl::OkStatus();
}

std::uint64_t MemoryRecordStore::HighestToken() {
  MutexLock lock(mutex_);
  return last_token_;
}

std::optional<std::uint64_t> MemoryRecordStore::StoredBytes(std::string_view name_space) {
  MutexLock lock(mutex_);
  const std::string prefix = MakeStoreKey(name_space, "");
  std::uint64_t bytes = 0;
  for (auto entry = entries_.lower_bound(prefix);
       entry != entries_.end() && entry->first.starts_with(prefix); ++entry) {
    bytes += entry->first.size() + entry->second.bytes.size();
  }
  return bytes;
}

absl::Status MemoryRecordStore::RaiseTokens(std::uint64_t to) {
  MutexLock lock(mutex_);
  last_token_ = std::max(last_token_, to);
  return absl::OkStatus();
}

std::unique_ptr<LiveWatch> MemoryRecordStore::WatchLive(std::function<void(LiveChanges)> hear) {
  if (sharing_ == Sharing::kExclusive) return nullptr;
  using Live = Listener<LiveWatch, LiveChanges>;
  MutexLock lock(mutex_);
  auto watch = std::make_unique<Live>(mutex_, live_watches_, std::move(hear));
  LiveChanges all{.begins = true, .complete = true};
  for (const auto& [store_key, entry] : entries_) {
    if (entry.live) all.changes.push_back({store_key, LoadLocked(store_key)});
  }
  watch->hear(std::move(all));
  live_watches_.insert(watch.get());
  return watch;
}

std::unique_ptr<ChangeWatch> MemoryRecordStore::WatchChanges(
    std::uint64_t /*after*/, std::function<void(RecordChanges)> hear) {
  if (sharing_ == Sharing::kExclusive) return nullptr;
  using Changes = Listener<ChangeWatch, RecordChanges>;
  MutexLock lock(mutex_);
  auto watch = std::make_unique<Changes>(mutex_, change_watches_, std::move(hear));
  watch->hear({.begins = true, .position = position()});
  change_watches_.insert(watch.get());
  return watch;
}

void MemoryRecordStore::Tell(const std::string& store_key, bool was_live, bool is_live) {
  for (auto* watch : change_watches_) {
    watch->hear(
        {.changes = {{store_key, LoadLocked(store_key), position()}}, .position = position()});
  }
  if (live_watches_.empty() || (!was_live && !is_live)) return;
  Loaded loaded;
  loaded.revision = last_revision_;
  if (is_live) loaded = LoadLocked(store_key);
  for (auto* watch : live_watches_) {
    watch->hear({.complete = true, .changes = {{store_key, loaded}}});
  }
}

void MemoryRecordStore::PutBytes(const std::string& store_key, std::string bytes) {
  MutexLock lock(mutex_);
  entries_[store_key] = {std::move(bytes), ++last_revision_, true};
}

Loaded MemoryRecordStore::LoadLocked(const std::string& store_key) const {
  const auto found = entries_.find(store_key);
  if (found == entries_.end()) return {};
  return DecodeLoaded(found->second.bytes, found->second.revision);
}

WriteResult MemoryRecordStore::Apply(const Write& write) {
  WriteResult result;
  const auto stored = entries_.find(write.store_key);
  const Revision revision = stored == entries_.end() ? 0 : stored->second.revision;
  if (revision != write.expected) {
    if (sharing_ == Sharing::kExclusive) AbortOnWrongRevision(write, revision);
    result.outcome = WriteResult::Outcome::kConflict;
    result.current = LoadLocked(write.store_key);
    return result;
  }
  result.outcome = WriteResult::Outcome::kCommitted;
  if (write.check_only) {
    result.revision = revision;
    return result;
  }
  const bool was_live = stored != entries_.end() && stored->second.live;
  ++last_revision_;
  if (write.record == nullptr) {
    entries_.erase(write.store_key);
    Tell(write.store_key, was_live, false);
    return result;
  }
  if (write.assign_token) result.token = ++last_token_;
  result.revision = last_revision_;
  entries_[write.store_key] = {EncodeWrite(write, result.token), result.revision,
                               IsLive(*write.record)};
  Tell(write.store_key, was_live, IsLive(*write.record));
  return result;
}

}  // namespace latchkey::storage
