#include "storage/rocksdb/restore.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "storage/new_directory.h"
#include "storage/restored_state.h"
#include "storage/rocksdb/backup_directory.h"
#include "storage/rocksdb/store_directory.h"
#include "storage/rocksdb/store_meta.h"
#include "storage/rocksdb/store_options.h"
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/utilities/backup_engine.h>

namespace latchkey::storage {
namespace {

using Engine = rocksdb::BackupEngineReadOnly;

constexpr std::size_t kWriteBufferBytes = std::size_t{1} << 20;

std::string Name(std::uint64_t id, const std::string& directory) {
  return "backup " + std::to_string(id) + " in " + directory;
}

absl::Status Damaged(std::uint64_t id, const std::string& directory, const std::string& why) {
  return absl::DataLossError(Name(id, directory) + " is damaged: " + why +
                             "; name another one with --id, or restore from another directory");
}

absl::StatusOr<std::unique_ptr<Engine>> OpenBackups(const std::string& directory) {
  if (absl::Status good = CheckBackupDirectory(directory); !good.ok()) return good;
  Engine* opened = nullptr;
  const rocksdb::IOStatus status =
      Engine::Open(rocksdb::BackupEngineOptions(directory), rocksdb::Env::Default(), &opened);
  if (!status.ok()) {
    return absl::DataLossError("backup directory " + directory +
                               " cannot be read: " + status.ToString());
  }
  return std::unique_ptr<Engine>(opened);
}

std::vector<BackupListed> List(const Engine& engine) {
  std::vector<rocksdb::BackupInfo> good;
  engine.GetBackupInfo(&good);
  std::vector<rocksdb::BackupID> damaged;
  engine.GetCorruptedBackups(&damaged);
  std::vector<BackupListed> all;
  for (const auto& info : good) all.push_back({info.backup_id, info.timestamp, info.size, false});
  for (const auto id : damaged) all.push_back({id, 0, 0, true});
  std::ranges::sort(all, {}, &BackupListed::id);
  return all;
}

absl::StatusOr<BackupListed> Choose(const Engine& engine, const RestoreOrder& order) {
  const std::vector<BackupListed> all = List(engine);
  if (all.empty()) {
    return absl::FailedPreconditionError("there is no backup in " + order.backups);
  }
  // Never an older one than asked for, without a word.
  BackupListed chosen = all.back();
  if (order.id.has_value()) {
    const auto found = std::ranges::find(all, *order.id, &BackupListed::id);
    if (found == all.end()) {
      std::string ids;
      for (const auto& each : all) ids += (ids.empty() ? "" : ", ") + std::to_string(each.id);
      return absl::FailedPreconditionError("there is no " + Name(*order.id, order.backups) +
                                           "; there are: " + ids);
    }
    chosen = *found;
  }
  if (chosen.damaged) return Damaged(chosen.id, order.backups, "its list of files cannot be read");
  return chosen;
}

// Reads every byte of it and compares the checksums.
absl::Status CheckBackup(const Engine& engine, std::uint64_t id, const RestoreOrder& order) {
  const auto number = static_cast<rocksdb::BackupID>(id);
  rocksdb::BackupInfo info;
  rocksdb::Status status = engine.GetBackupInfo(number, &info);
  if (!status.ok()) return Damaged(id, order.backups, status.ToString());
  if (absl::Status ours = CheckBackupDescription(info.app_metadata); !ours.ok()) {
    return absl::FailedPreconditionError(Name(id, order.backups) + " " +
                                         std::string(ours.message()));
  }
  if (order.now < WallTime(std::chrono::seconds(info.timestamp))) {
    return absl::FailedPreconditionError(
        Name(id, order.backups) +
        " was made later than this machine\'s clock says it is: set the clock right first, tokens "
        "and the doubt of the restore depend on it");
  }
  status = engine.VerifyBackup(number, /*verify_with_checksum=*/true);
  if (!status.ok()) return Damaged(id, order.backups, status.ToString());
  return absl::OkStatus();
}

// An open database that is no store yet.
class Database {
 public:
  static absl::StatusOr<Database> Open(const std::string& path) {
    const FamilyOptions families = MakeFamilyOptions(kWriteBufferBytes);
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* opened = nullptr;
    const rocksdb::Status status =
        rocksdb::DB::Open(MakeDatabaseOptions(kWriteBufferBytes), path,
                          {{rocksdb::kDefaultColumnFamilyName, families.meta},
                           {kLiveFamily, families.live},
                           {kDoneFamily, families.done}},
                          &handles, &opened);
    if (!status.ok()) return absl::DataLossError("cannot be opened: " + status.ToString());
    return Database(std::unique_ptr<rocksdb::DB>(opened), std::move(handles));
  }

  absl::StatusOr<std::string> Get(const char* name) {
    std::string value;
    const rocksdb::Status read = database_->Get(rocksdb::ReadOptions(), families_[0], name, &value);
    if (read.ok() || read.IsNotFound()) return value;
    return absl::DataLossError("cannot be read: " + read.ToString());
  }

  absl::Status Put(const std::string& token_limit, const std::string& state) {
    rocksdb::WriteBatch batch;
    rocksdb::Status status = batch.Put(families_[0], kTokenLimitKey, token_limit);
    if (status.ok()) status = batch.Put(families_[0], kStateKey, state);
    rocksdb::WriteOptions synced;
    synced.sync = true;
    if (status.ok()) status = database_->Write(synced, &batch);
    if (status.ok()) status = database_->Flush(rocksdb::FlushOptions(), families_);
    if (!status.ok()) return absl::UnavailableError("cannot be written: " + status.ToString());
    return absl::OkStatus();
  }

  absl::Status Close() {
    for (auto* family : families_) {
      database_->DestroyColumnFamilyHandle(family).PermitUncheckedError();
    }
    families_.clear();
    const rocksdb::Status closed = database_->Close();
    database_.reset();
    return closed.ok() ? absl::OkStatus()
                       : absl::UnavailableError("cannot be closed: " + closed.ToString());
  }

  Database(Database&&) = default;
  Database& operator=(Database&&) = delete;
  ~Database() {
    if (database_ != nullptr) Close().IgnoreError();
  }

 private:
  Database(std::unique_ptr<rocksdb::DB> database,
           std::vector<rocksdb::ColumnFamilyHandle*> families)
      : database_(std::move(database)), families_(std::move(families)) {}

  std::unique_ptr<rocksdb::DB> database_;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;
};

// Moves the tokens on and opens the doubt, before anything can take it for a store.
absl::Status Prepare(const std::string& path, const RestoreOrder& order, Restored& restored) {
  absl::StatusOr<Database> database = Database::Open(path);
  if (!database.ok()) return database.status();
  const absl::StatusOr<std::string> limit = database->Get(kTokenLimitKey);
  if (!limit.ok()) return limit.status();
  const absl::StatusOr<std::string> bytes = database->Get(kStateKey);
  if (!bytes.ok()) return bytes.status();
  StoreState state;
  if (!state.ParseFromString(*bytes) || limit->size() > sizeof(std::uint64_t)) {
    return absl::DataLossError("has a state that cannot be decoded");
  }
  restored.token_before = DecodeNumber(*limit);
  const WallTime taken_at{std::chrono::seconds(restored.taken_at_seconds)};
  restored.token_now =
      std::max(TokenAfterRestore(restored.token_before, taken_at, order.now), order.token_floor);
  OpenRestoreDoubt(order.now, restored.token_now, state);
  const absl::Status put =
      database->Put(EncodeNumber(restored.token_now), state.SerializeAsString());
  if (!put.ok()) return put;
  return database->Close();
}

}  // namespace

absl::StatusOr<std::vector<BackupListed>> ListBackups(const std::string& directory) {
  const auto engine = OpenBackups(directory);
  if (!engine.ok()) return engine.status();
  return List(**engine);
}

absl::StatusOr<Restored> RestoreBackup(const RestoreOrder& order) {
  const auto engine = OpenBackups(order.backups);
  if (!engine.ok()) return engine.status();
  const auto chosen = Choose(**engine, order);
  if (!chosen.ok()) return chosen.status();
  absl::StatusOr<NewDirectory> directory = NewDirectory::Begin(order.to);
  if (!directory.ok()) return directory.status();
  if (auto good = CheckBackup(**engine, chosen->id, order); !good.ok()) return good;

  const std::string database = directory->path() + "/db";
  const rocksdb::Status copied = (*engine)->RestoreDBFromBackup(
      rocksdb::RestoreOptions(), static_cast<rocksdb::BackupID>(chosen->id), database, database);
  if (!copied.ok()) {
    return absl::UnavailableError(Name(chosen->id, order.backups) +
                                  " cannot be copied: " + copied.ToString());
  }
  Restored restored{chosen->id, chosen->taken_at_seconds, chosen->size_bytes};
  absl::Status done = Prepare(database, order, restored);
  if (done.ok()) done = MarkAsStore(directory->path());
  if (!done.ok()) {
    return absl::Status(done.code(),
                        Name(chosen->id, order.backups) + " " + std::string(done.message()));
  }
  if (done = directory->Finish(); !done.ok()) return done;
  return restored;
}

}  // namespace latchkey::storage
