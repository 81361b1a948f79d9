// A RecordStore whose calls fail when a script says so, for tests and simulations.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "storage/record_store.h"

namespace latchkey::storage {

// What happens to one call.
enum class Fault {
  kNone,
  kFailBefore,  // the call fails and nothing of it happened
  kFailAfter,   // the call happened, and its answer is lost
};

// One call, as the script sees it.
struct StoreCall {
  enum class Kind { kLoad, kCommit, kScan, kLoadState, kSaveState };
  Kind kind = Kind::kLoad;
  std::uint64_t number = 0;            // of all calls to this store, from 1
  std::span<const Write> writes = {};  // with kCommit
};

// Thread-safe if the script is. There is no chance in here: the script decides, and may also take
// its time or move a fake clock. On an exclusive store a fault latches, as it would with a disk:
// every later call answers UNAVAILABLE without reaching the store beneath. On a shared store the
// next call has its own chance, and a commit whose answer was lost says kUnknown for each write.
class FaultyRecordStore final : public RecordStore {
 public:
  using Script = std::function<Fault(const StoreCall&)>;

  // `store` is not owned, so that a simulation can drop this one and go on with what is durable.
  FaultyRecordStore(RecordStore& store, Script script)
      : store_(store), script_(std::move(script)) {}

  absl::StatusOr<std::vector<Loaded>> Load(std::span<const std::string> store_keys) override;
  absl::StatusOr<std::vector<WriteResult>> Commit(std::span<const Write> writes) override;
  absl::StatusOr<std::vector<Scanned>> Scan(const ScanRequest& request) override;
  absl::StatusOr<StoreState> LoadState() override;
  absl::Status SaveState(const StoreState& state) override;
  std::uint64_t HighestToken() override { return store_.HighestToken(); }
  absl::Status RaiseTokens(std::uint64_t to) override { return store_.RaiseTokens(to); }
  absl::StatusOr<BackupMade> CreateBackup(const BackupOrder& order) override {
    return store_.CreateBackup(order);
  }
  bool exclusive() const override { return store_.exclusive(); }
  std::unique_ptr<LiveWatch> WatchLive(std::function<void(LiveChanges)> hear) override {
    return store_.WatchLive(std::move(hear));
  }
  std::unique_ptr<ChangeWatch> WatchChanges(std::uint64_t after,
                                            std::function<void(RecordChanges)> hear) override {
    return store_.WatchChanges(after, std::move(hear));
  }
  std::optional<Space> FreeSpace() override { return store_.FreeSpace(); }
  std::optional<std::uint64_t> StoredBytes(std::string_view name_space) override {
    return store_.StoredBytes(name_space);
  }
  absl::Status Close() override { return store_.Close(); }

  // Whether a fault has latched this store.
  bool failed() const { return failed_.load(); }

 private:
  // Runs `call` of the store beneath, or fails, as the script says.
  template <typename Call>
  auto Run(StoreCall::Kind kind, std::span<const Write> writes, Call call) -> decltype(call());

  RecordStore& store_;
  const Script script_;
  std::atomic<std::uint64_t> calls_ = 0;
  std::atomic<bool> failed_ = false;
};

}  // namespace latchkey::storage
