// The server's disk: what is on it survives the process. A record store over it, whose calls take
// virtual time, fail, and lose or tear what was not synced when the process dies.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "storage/memory_record_store.h"
#include "storage/record_store.h"
#include "storage/rocksdb/token_allocator.h"

namespace latchkey::simulation {

// Outlives the server's lives.
struct Disk {
  storage::MemoryRecordStore records;
  // No token above this one was ever given.
  std::uint64_t token_limit = 0;
  bool nearly_full = false;

  std::vector<storage::Scanned> All() { return *records.Scan({.limit = 1'000'000}); }
};

// What becomes of one call that writes.
struct WriteFate {
  enum class End {
    kDone,
    kFails,  // what was written until then stays
    kDies,   // the same, and the process with it
  };
  End end = End::kDone;
  // How much of it is durable: 0 is nothing, 1 everything. A batch is torn between two writes.
  double durable = 1;
};

// Draws the fate of a call, and lets its time pass.
using WriteScript = std::function<WriteFate()>;
// Hears of every record that was written; null: removed.
using WriteListener =
    std::function<void(const std::string& store_key, const storage::Record* record)>;

// One life's. The classes that ship stand over the same seam and below it: the memory store, which
// encodes what it keeps, and the token allocator. For one thread.
class DiskStore final : public storage::RecordStore {
 public:
  DiskStore(Disk& disk, WriteScript script, WriteListener listener);

  absl::StatusOr<std::vector<storage::Loaded>> Load(std::span<const std::string> keys) override;
  absl::StatusOr<std::vector<storage::WriteResult>> Commit(
      std::span<const storage::Write> writes) override;
  absl::StatusOr<std::vector<storage::Scanned>> Scan(const storage::ScanRequest& request) override;
  absl::StatusOr<storage::StoreState> LoadState() override;
  absl::Status SaveState(const storage::StoreState& state) override;
  std::uint64_t HighestToken() override { return tokens_.highest(); }
  absl::Status RaiseTokens(std::uint64_t to) override { return tokens_.Raise(to); }
  bool exclusive() const override { return true; }
  std::optional<Space> FreeSpace() override;
  absl::Status Close() override { return tokens_.Finish(); }

  // Throws away what `expire` says may go, as a compaction would.
  void Compact(const storage::Expire& expire);
  bool failed() const { return failed_; }

 private:
  absl::Status Write(const std::function<void(double durable)>& apply);
  void Apply(std::span<const storage::Write> writes, std::vector<storage::WriteResult>& results);

  Disk& disk_;
  const WriteScript script_;
  const WriteListener listener_;
  storage::TokenAllocator tokens_;
  bool failed_ = false;
};

}  // namespace latchkey::simulation
