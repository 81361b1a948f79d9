// The embedded store: RocksDB with a synced write-ahead log, one process, one directory. The format
// is described in docs/storage-format.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/record_store.h"
#include "storage/rocksdb/failure_latch.h"
#include "storage/rocksdb/store_directory.h"
#include "storage/rocksdb/token_allocator.h"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
class Env;
class Slice;
class WriteBatch;
}  // namespace rocksdb

namespace latchkey::storage {

struct RocksDbStoreOptions {
  // What is dropped of a record when it is compacted; unset: nothing. Called for COMPLETED and
  // ABSENT records only.
  Expire expire = {};
  // How many tokens a crash may skip at most.
  std::uint64_t token_block_size = std::uint64_t{1} << 20;
  // Memory for records that are in the log and not yet in a table, for each of two families; a
  // start replays at most four times as much.
  std::size_t write_buffer_bytes = std::size_t{32} << 20;
  // For tests: the file system and clock that RocksDB sees; unset: the machine's.
  std::shared_ptr<rocksdb::Env> environment = {};
  // For tests, as a control: without it, a commit returns before it is durable.
  bool sync = true;
};

// Thread-safe. An exclusive RecordStore. A revision says where the record lies, so
// `Write::expected` must be right, although it is not compared.
//
// After any write, sync, flush or compaction that failed, every call answers UNAVAILABLE, for ever.
// Damaged bytes met while reading are no such failure: Load marks the key corrupt, and Scan answers
// DATA_LOSS where it cannot say which keys are meant.
class RocksDbRecordStore final : public RecordStore {
 public:
  // Opens the store in directory `path`, or creates one; see StoreDirectory for what is refused.
  // DATA_LOSS if what is stored cannot be recovered.
  static absl::StatusOr<std::unique_ptr<RocksDbRecordStore>> Open(const std::string& path,
                                                                  RocksDbStoreOptions options);
  // Without Close() it is as if the process had been killed.
  ~RocksDbRecordStore() override;

  absl::StatusOr<std::vector<Loaded>> Load(std::span<const std::string> store_keys) override;
  absl::StatusOr<std::vector<WriteResult>> Commit(std::span<const Write> writes) override;
  absl::StatusOr<std::vector<Scanned>> Scan(const ScanRequest& request) override;
  absl::StatusOr<StoreState> LoadState() override;
  absl::Status SaveState(const StoreState& state) override;
  std::uint64_t HighestToken() override;
  absl::Status RaiseTokens(std::uint64_t to) override;
  absl::StatusOr<BackupMade> CreateBackup(const BackupOrder& order) override;
  bool exclusive() const override { return true; }
  std::optional<Space> FreeSpace() override;
  std::optional<std::uint64_t> StoredBytes(std::string_view name_space) override;
  absl::Status Close() override;

  // Compacts everything now, which drops what has expired. Takes as long as it takes.
  absl::Status Compact();

 private:
  RocksDbRecordStore(StoreDirectory directory, const RocksDbStoreOptions& options);

  absl::Status OpenDatabase(const RocksDbStoreOptions& options);
  absl::Status OpenTokens(std::uint64_t block_size);
  // Writes durably, or latches.
  absl::Status WriteDurably(rocksdb::WriteBatch& batch, std::string_view doing);
  // Adds one write to `batch` and says what it comes to.
  WriteResult Stage(const Write& write, std::uint64_t token, rocksdb::WriteBatch& batch) const;
  absl::Status PutMeta(const rocksdb::Slice& name, const rocksdb::Slice& value,
                       std::string_view doing);
  // The bytes under `name`, empty if there are none.
  absl::StatusOr<std::string> GetMeta(const rocksdb::Slice& name);
  absl::Status CloseDatabase();
  void AbandonDatabase();

  StoreDirectory directory_;  // keeps the lock until all else is closed
  const bool sync_;
  const std::shared_ptr<FailureLatch> latch_ = std::make_shared<FailureLatch>();
  std::shared_ptr<rocksdb::Env> environment_;
  std::unique_ptr<rocksdb::DB> database_;
  rocksdb::ColumnFamilyHandle* meta_ = nullptr;
  rocksdb::ColumnFamilyHandle* live_ = nullptr;
  rocksdb::ColumnFamilyHandle* done_ = nullptr;
  std::unique_ptr<TokenAllocator> tokens_;
};

}  // namespace latchkey::storage
