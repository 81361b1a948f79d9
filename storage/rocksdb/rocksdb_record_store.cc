#include "storage/rocksdb/rocksdb_record_store.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <utility>

#include "base/mutant.h"
#include "storage/record_codec.h"
#include "storage/rocksdb/backup_directory.h"
#include "storage/rocksdb/default_environment.h"
#include "storage/rocksdb/log_check.h"
#include "storage/rocksdb/merged_scan.h"
#include "storage/rocksdb/retention_filter.h"
#include "storage/rocksdb/store_meta.h"
#include "storage/rocksdb/store_options.h"
#include "storage/store_key.h"
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>

namespace latchkey::storage {
namespace {

// Where a record lies, and with that which family a write has to delete it from.
constexpr Revision kInLive = 1;
constexpr Revision kInDone = 2;

absl::Status OpenFailure(const std::string& path, const rocksdb::Status& cause) {
  std::string message = "store in " + path;
  if (!cause.IsCorruption()) {
    return absl::UnavailableError(message + " cannot be opened: " + cause.ToString());
  }
  return absl::DataLossError(message + " is damaged: " + cause.ToString() +
                             "; restore it from a backup");
}

}  // namespace

absl::StatusOr<std::unique_ptr<RocksDbRecordStore>> RocksDbRecordStore::Open(
    const std::string& path, RocksDbStoreOptions options) {
  if (options.environment == nullptr) options.environment = DefaultEnvironment();
  absl::StatusOr<StoreDirectory> directory =
      StoreDirectory::Open(path, options.environment->GetFileSystem());
  if (!directory.ok()) return directory.status();

  std::unique_ptr<RocksDbRecordStore> store(new RocksDbRecordStore(*std::move(directory), options));
  absl::Status opened;
  if (!store->directory_.is_new()) {
    opened = CheckLogs(*options.environment->GetFileSystem(), store->directory_.database());
  }
  if (opened.ok()) opened = store->OpenDatabase(options);
  if (opened.ok()) opened = store->OpenTokens(options.token_block_size);
  if (opened.ok() && store->directory_.is_new()) opened = store->directory_.FinishCreation();
  if (!opened.ok()) return opened;
  return store;
}

RocksDbRecordStore::RocksDbRecordStore(StoreDirectory directory, const RocksDbStoreOptions& options)
    : directory_(std::move(directory)), sync_(options.sync), environment_(options.environment) {}

RocksDbRecordStore::~RocksDbRecordStore() { CloseDatabase().IgnoreError(); }

absl::Status RocksDbRecordStore::OpenDatabase(const RocksDbStoreOptions& options) {
  rocksdb::DBOptions database_options = MakeDatabaseOptions(options.write_buffer_bytes);
  database_options.env = environment_.get();
  database_options.listeners.push_back(latch_->MakeListener());
  database_options.create_if_missing = directory_.is_new();
  database_options.create_missing_column_families = directory_.is_new();

  FamilyOptions families = MakeFamilyOptions(options.write_buffer_bytes);
  if (options.expire) {
    families.done.compaction_filter_factory = MakeRetentionFilterFactory(options.expire);
  }
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* database = nullptr;
  const rocksdb::Status opened =
      rocksdb::DB::Open(database_options, directory_.database(),
                        {{rocksdb::kDefaultColumnFamilyName, families.meta},
                         {kLiveFamily, families.live},
                         {kDoneFamily, families.done}},
                        &handles, &database);
  if (!opened.ok()) return OpenFailure(directory_.path(), opened);
  database_.reset(database);
  meta_ = handles[0];
  live_ = handles[1];
  done_ = handles[2];
  return absl::OkStatus();
}

absl::Status RocksDbRecordStore::OpenTokens(std::uint64_t block_size) {
  const absl::StatusOr<std::string> limit = GetMeta(kTokenLimitKey);
  if (!limit.ok()) return limit.status();
  if (!limit->empty() && limit->size() != sizeof(std::uint64_t)) {
    return OpenFailure(directory_.path(), rocksdb::Status::Corruption("token limit"));
  }
  std::uint64_t used = DecodeNumber(*limit);
  if (Mutated(Mutant::kTokenBlockReused)) used -= std::min(used, block_size);
  tokens_ = std::make_unique<TokenAllocator>(used, block_size, [this](std::uint64_t new_limit) {
    return PutMeta(kTokenLimitKey, EncodeNumber(new_limit), "reserving fencing tokens");
  });
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Loaded>> RocksDbRecordStore::Load(
    std::span<const std::string> store_keys) {
  if (absl::Status good = latch_->Check(); !good.ok()) return good;
  // Both families in one call, which reads them as of one moment: live ones first, then done ones.
  const std::size_t count = store_keys.size();
  std::vector<rocksdb::ColumnFamilyHandle*> families(2 * count, live_);
  std::fill(families.begin() + static_cast<std::ptrdiff_t>(count), families.end(), done_);
  std::vector<rocksdb::Slice> keys(store_keys.begin(), store_keys.end());
  keys.insert(keys.end(), store_keys.begin(), store_keys.end());
  std::vector<rocksdb::PinnableSlice> values(2 * count);
  std::vector<rocksdb::Status> statuses(2 * count);
  database_->MultiGet(rocksdb::ReadOptions(), 2 * count, families.data(), keys.data(),
                      values.data(), statuses.data());

  std::vector<Loaded> answer(count);
  for (std::size_t i = 0; i < 2 * count; ++i) {
    Loaded& loaded = answer[i % count];
    const Revision revision = i < count ? kInLive : kInDone;
    if (statuses[i].IsNotFound() || loaded.revision != 0) continue;
    if (statuses[i].IsCorruption()) {
      loaded = {.record = {}, .revision = revision, .corrupt = true};
    } else if (statuses[i].ok()) {
      loaded = DecodeLoaded({values[i].data(), values[i].size()}, revision);
    } else {
      return latch_->Fail("reading records", statuses[i]);
    }
  }
  return answer;
}

absl::StatusOr<std::vector<WriteResult>> RocksDbRecordStore::Commit(std::span<const Write> writes) {
  if (absl::Status good = latch_->Check(); !good.ok()) return good;
  const auto grants = std::count_if(writes.begin(), writes.end(),
                                    [](const Write& write) { return write.assign_token; });
  std::uint64_t next_token = 0;
  if (grants > 0) {
    const absl::StatusOr<std::uint64_t> first = tokens_->Take(static_cast<std::uint64_t>(grants));
    if (!first.ok()) return first.status();
    next_token = *first;
  }
  rocksdb::WriteBatch batch;
  std::vector<WriteResult> results;
  results.reserve(writes.size());
  for (const Write& write : writes) {
    results.push_back(Stage(write, write.assign_token ? next_token++ : 0, batch));
  }
  if (absl::Status written = WriteDurably(batch, "writing records"); !written.ok()) {
    return written;
  }
  return results;
}

WriteResult RocksDbRecordStore::Stage(const Write& write, std::uint64_t token,
                                      rocksdb::WriteBatch& batch) const {
  WriteResult result;
  result.outcome = WriteResult::Outcome::kCommitted;
  result.token = token;
  if (write.record != nullptr) result.revision = IsLive(*write.record) ? kInLive : kInDone;
  // None of these fails: a batch only grows in memory.
  rocksdb::Status staged;
  if (write.expected != 0 && write.expected != result.revision) {
    staged = batch.Delete(write.expected == kInLive ? live_ : done_, write.store_key);
  }
  if (write.record != nullptr) {
    staged = batch.Put(result.revision == kInLive ? live_ : done_, write.store_key,
                       EncodeWrite(write, token));
  }
  staged.PermitUncheckedError();
  return result;
}

absl::StatusOr<std::vector<Scanned>> RocksDbRecordStore::Scan(const ScanRequest& request) {
  if (absl::Status good = latch_->Check(); !good.ok()) return good;
  const ScannedFamily families[] = {{live_, kInLive}, {done_, kInDone}};
  std::vector<Scanned> found;
  const rocksdb::Status scanned =
      MergedScan(*database_, {families, request.live_only ? 1u : 2u}, request, &found);
  if (scanned.IsCorruption()) {
    return absl::DataLossError("records cannot be listed, stored bytes are damaged: " +
                               scanned.ToString());
  }
  if (!scanned.ok()) return latch_->Fail("listing records", scanned);
  return found;
}

absl::StatusOr<StoreState> RocksDbRecordStore::LoadState() {
  if (absl::Status good = latch_->Check(); !good.ok()) return good;
  const absl::StatusOr<std::string> bytes = GetMeta(kStateKey);
  if (!bytes.ok()) return bytes.status();
  StoreState state;
  if (!state.ParseFromString(*bytes)) {
    return OpenFailure(directory_.path(), rocksdb::Status::Corruption("store state"));
  }
  return state;
}

absl::Status RocksDbRecordStore::SaveState(const StoreState& state) {
  if (absl::Status good = latch_->Check(); !good.ok()) return good;
  return PutMeta(kStateKey, state.SerializeAsString(), "writing the store's state");
}

std::uint64_t RocksDbRecordStore::HighestToken() { return tokens_->highest(); }

absl::Status RocksDbRecordStore::RaiseTokens(std::uint64_t to) {
  if (absl::Status good = latch_->Check(); !good.ok()) return good;
  return tokens_->Raise(to);
}

absl::StatusOr<BackupMade> RocksDbRecordStore::CreateBackup(const BackupOrder& order) {
  if (absl::Status good = latch_->Check(); !good.ok()) return good;
  const std::uint64_t fencing_token = tokens_->highest();
  std::uint64_t records = 0;
  for (rocksdb::ColumnFamilyHandle* family : {live_, done_}) {
    std::uint64_t keys = 0;
    database_->GetIntProperty(family, rocksdb::DB::Properties::kEstimateNumKeys, &keys);
    records += keys;
  }
  absl::StatusOr<BackupMade> made =
      MakeBackup(*database_, *environment_, directory_.path(), fencing_token, order);
  if (!made.ok()) return made.status();
  made->fencing_token = fencing_token;
  made->records_estimate = records;
  return made;
}

std::optional<RecordStore::Space> RocksDbRecordStore::FreeSpace() {
  struct statvfs space;
  if (::statvfs(directory_.path().c_str(), &space) != 0) return std::nullopt;
  return Space{.free_bytes = std::uint64_t{space.f_bavail} * space.f_frsize,
               .total_bytes = std::uint64_t{space.f_blocks} * space.f_frsize};
}

std::optional<std::uint64_t> RocksDbRecordStore::StoredBytes(std::string_view name_space) {
  if (!latch_->Check().ok()) return std::nullopt;
  const std::string first = MakeStoreKey(name_space, "");
  std::string past = first;
  past.back() = '\x01';
  const rocksdb::Range range(first, past);
  rocksdb::SizeApproximationOptions options;
  options.include_memtables = true;
  options.include_files = true;
  std::uint64_t bytes = 0;
  for (rocksdb::ColumnFamilyHandle* family : {live_, done_}) {
    std::uint64_t of_family = 0;
    const rocksdb::Status counted =
        database_->GetApproximateSizes(options, family, &range, 1, &of_family);
    if (!counted.ok()) return std::nullopt;
    bytes += of_family;
  }
  return bytes;
}

absl::Status RocksDbRecordStore::Compact() {
  if (absl::Status good = latch_->Check(); !good.ok()) return good;
  rocksdb::CompactRangeOptions options;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  for (rocksdb::ColumnFamilyHandle* family : {meta_, live_, done_}) {
    const rocksdb::Status compacted = database_->CompactRange(options, family, nullptr, nullptr);
    if (!compacted.ok()) return latch_->Fail("compacting", compacted);
  }
  return latch_->Check();
}

absl::Status RocksDbRecordStore::Close() {
  absl::Status finished = latch_->Check();
  if (finished.ok()) finished = tokens_->Finish();
  const absl::Status closed = CloseDatabase();
  return finished.ok() ? closed : finished;
}

absl::Status RocksDbRecordStore::WriteDurably(rocksdb::WriteBatch& batch, std::string_view doing) {
  rocksdb::WriteOptions options;
  options.sync = sync_ && !Mutated(Mutant::kReplyBeforeSync);
  const rocksdb::Status written = database_->Write(options, &batch);
  if (!written.ok()) return latch_->Fail(doing, written);
  // Another thread's write may have failed meanwhile, and RocksDB gone on behind the hole.
  return latch_->Check();
}

absl::Status RocksDbRecordStore::PutMeta(const rocksdb::Slice& name, const rocksdb::Slice& value,
                                         std::string_view doing) {
  rocksdb::WriteBatch batch;
  const rocksdb::Status staged = batch.Put(meta_, name, value);
  staged.PermitUncheckedError();
  return WriteDurably(batch, doing);
}

absl::StatusOr<std::string> RocksDbRecordStore::GetMeta(const rocksdb::Slice& name) {
  std::string value;
  const rocksdb::Status read = database_->Get(rocksdb::ReadOptions(), meta_, name, &value);
  if (read.ok() || read.IsNotFound()) return value;
  if (read.IsCorruption()) return OpenFailure(directory_.path(), read);
  return latch_->Fail("reading the store's state", read);
}

absl::Status RocksDbRecordStore::CloseDatabase() {
  if (database_ == nullptr) return absl::OkStatus();
  rocksdb::CancelAllBackgroundWork(database_.get(), /*wait=*/true);
  if (absl::Status failure = latch_->Check(); !failure.ok()) {
    AbandonDatabase();
    return failure;
  }
  for (rocksdb::ColumnFamilyHandle* family : {meta_, live_, done_}) {
    database_->DestroyColumnFamilyHandle(family).PermitUncheckedError();
  }
  const rocksdb::Status closed = database_->Close();
  database_.reset();
  if (!closed.ok()) return latch_->Fail("closing", closed);
  return absl::OkStatus();
}

void RocksDbRecordStore::AbandonDatabase() {
  // After a failed write RocksDB 7.8 may have lost count of its column families, and then aborts
  // when it is closed. The process ends soon; until then somebody must own what nobody destroys.
  struct Abandoned {
    rocksdb::DB* database;
    rocksdb::ColumnFamilyHandle* families[3];
    std::shared_ptr<rocksdb::Env> environment;
  };
  static Mutex mutex;
  static auto& abandoned = *new std::vector<Abandoned>();
  MutexLock lock(mutex);
  abandoned.push_back({database_.release(), {meta_, live_, done_}, environment_});
}

}  // namespace latchkey::storage
