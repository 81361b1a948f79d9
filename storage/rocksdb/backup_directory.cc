#include "storage/rocksdb/backup_directory.h"

#include <filesystem>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/rocksdb/store_directory.h"
#include <rocksdb/db.h>
#include <rocksdb/file_system.h>
#include <rocksdb/utilities/backup_engine.h>

namespace latchkey::storage {
namespace {

namespace fs = std::filesystem;

constexpr char kMarker[] = "LATCHKEY_BACKUPS";
constexpr char kLock[] = "LOCK";
constexpr std::string_view kMarkerText = "latchkey backups, format ";
constexpr std::string_view kDescriptionText = "latchkey store, format ";
// So that the disk has time for commits.
constexpr std::uint64_t kBytesPerSecond = std::uint64_t{100} << 20;
// How often it is asked whether to stop.
constexpr std::uint64_t kLookEveryBytes = std::uint64_t{256} << 10;

absl::Status Refusal(const std::string& directory, const std::string& why) {
  return absl::FailedPreconditionError("backup directory " + directory + " " + why);
}

bool IsWithin(const fs::path& inner, const fs::path& outer) {
  std::error_code error;
  const fs::path path = fs::weakly_canonical(inner, error);
  const fs::path root = fs::weakly_canonical(outer, error);
  for (fs::path each = path;; each = each.parent_path()) {
    if (each == root) return true;
    if (each == each.parent_path()) return false;
  }
}

// Unlocks at its end.
class DirectoryLock {
 public:
  DirectoryLock(rocksdb::FileSystem& file_system, const std::string& directory)
      : file_system_(file_system) {
    status_ = file_system_.LockFile(directory + "/" + kLock, rocksdb::IOOptions(), &lock_, nullptr);
  }
  ~DirectoryLock() {
    if (status_.ok()) {
      file_system_.UnlockFile(lock_, rocksdb::IOOptions(), nullptr).PermitUncheckedError();
    }
  }
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;
  const rocksdb::IOStatus& status() const { return status_; }

 private:
  rocksdb::FileSystem& file_system_;
  rocksdb::FileLock* lock_ = nullptr;
  rocksdb::IOStatus status_;
};

// Makes the directory if there is none, and refuses one that is not for backups, untouched.
absl::Status Prepare(const std::string& directory, const std::string& store_directory,
                     rocksdb::FileSystem& file_system) {
  if (IsWithin(directory, store_directory) || IsWithin(store_directory, directory)) {
    return Refusal(directory, "and the store's directory " + store_directory +
                                  " are within each other: keep backups elsewhere, best on "
                                  "another disk");
  }
  std::error_code error;
  if (!fs::exists(directory, error)) {
    if (!fs::create_directory(directory, error)) {
      return Refusal(directory, "cannot be created: " + error.message());
    }
  }
  if (fs::exists(fs::path(directory) / kMarker, error)) return CheckBackupDirectory(directory);
  fs::directory_iterator children(directory, error);
  if (error) return Refusal(directory, "cannot be listed: " + error.message());
  for (const auto& child : children) {
    const std::string name = child.path().filename();
    if (name == kLock || name == "lost+found") continue;
    return Refusal(directory, "holds something else than backups (" + name +
                                  "): give an empty or new directory");
  }
  const rocksdb::IOStatus written = WriteStringToFile(
      &file_system, std::string(kMarkerText) + std::to_string(kBackupFormatVersion) + "\n",
      directory + "/" + kMarker, /*should_sync=*/true);
  if (!written.ok()) return Refusal(directory, "cannot be written: " + written.ToString());
  return absl::OkStatus();
}

std::uint64_t BytesIn(const std::string& directory) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator child(directory, error), end; !error && child != end;
       child.increment(error)) {
    if (child->is_regular_file(error)) bytes += child->file_size(error);
  }
  return bytes;
}

absl::Status Failed(const std::string& doing, const rocksdb::Status& why) {
  if (why.IsIncomplete()) return absl::CancelledError("the backup was stopped");
  return absl::InternalError("the backup failed while " + doing + ": " + why.ToString());
}

}  // namespace

std::string DescribeBackup(std::uint64_t fencing_token) {
  return std::string(kDescriptionText) + std::to_string(kStoreFormatVersion) + "\nfencing_token " +
         std::to_string(fencing_token) + "\n";
}

absl::Status CheckBackupDescription(const std::string& description) {
  if (!description.starts_with(kDescriptionText)) {
    return absl::FailedPreconditionError("was not made by Latchkey");
  }
  const std::string version =
      description.substr(kDescriptionText.size(), description.find('\n') - kDescriptionText.size());
  if (version == std::to_string(kStoreFormatVersion)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "is of a store with format version " + version + ", this build reads version " +
      std::to_string(kStoreFormatVersion) + ": use the Latchkey that made it");
}

absl::Status CheckBackupDirectory(const std::string& directory) {
  std::error_code error;
  if (!fs::is_directory(directory, error)) {
    return absl::FailedPreconditionError("there is no backup directory " + directory);
  }
  std::string text;
  const rocksdb::Status read =
      ReadFileToString(rocksdb::FileSystem::Default().get(), directory + "/" + kMarker, &text);
  if (!read.ok()) {
    return Refusal(directory, std::string("has no file ") + kMarker +
                                  ", so there are no backups of Latchkey in it");
  }
  if (text.ends_with('\n')) text.pop_back();
  if (text == std::string(kMarkerText) + std::to_string(kBackupFormatVersion)) {
    return absl::OkStatus();
  }
  if (!text.starts_with(kMarkerText)) {
    return Refusal(directory,
                   std::string("has a file ") + kMarker + " that Latchkey did not write");
  }
  return Refusal(directory, "has format version " + text.substr(kMarkerText.size()) +
                                ", this build reads version " +
                                std::to_string(kBackupFormatVersion) +
                                ": use the Latchkey that made it");
}

absl::StatusOr<BackupMade> MakeBackup(rocksdb::DB& database, rocksdb::Env& environment,
                                      const std::string& store_directory,
                                      std::uint64_t fencing_token, const BackupOrder& order) {
  rocksdb::FileSystem& file_system = *environment.GetFileSystem();
  if (auto prepared = Prepare(order.directory, store_directory, file_system); !prepared.ok()) {
    return prepared;
  }
  const DirectoryLock lock(file_system, order.directory);
  if (!lock.status().ok()) {
    return Refusal(order.directory, "is in use by another process, or cannot be locked: " +
                                        lock.status().ToString());
  }
  // Tables alone: they are flushed first, all families together, so they are of one moment; a log
  // that is being written while it is copied is not.
  rocksdb::BackupEngineOptions options(order.directory);
  options.backup_log_files = false;
  options.backup_rate_limit = kBytesPerSecond;
  options.callback_trigger_interval_size = kLookEveryBytes;
  rocksdb::BackupEngine* opened = nullptr;
  rocksdb::Status status = rocksdb::BackupEngine::Open(options, &environment, &opened);
  if (!status.ok()) return Failed("looking at the earlier ones", status);
  const std::unique_ptr<rocksdb::BackupEngine> engine(opened);

  const std::uint64_t bytes_before = BytesIn(order.directory);
  rocksdb::CreateBackupOptions create;
  create.flush_before_backup = true;
  create.progress_callback = [&] {
    if (order.stop()) engine->StopBackup();
  };
  rocksdb::BackupID id = 0;
  status =
      engine->CreateNewBackupWithMetadata(create, &database, DescribeBackup(fencing_token), &id);
  if (!status.ok()) {
    engine->GarbageCollect().PermitUncheckedError();
    return Failed("copying", status);
  }
  rocksdb::BackupInfo info;
  status = engine->VerifyBackup(id, /*verify_with_checksum=*/true);
  if (status.ok()) status = engine->GetBackupInfo(id, &info);
  if (!status.ok()) {
    engine->DeleteBackup(id).PermitUncheckedError();
    return Failed("verifying what was written", status);
  }
  BackupMade made;
  made.id = id;
  made.size_bytes = info.size;
  made.files = info.number_files;
  made.taken_at_seconds = info.timestamp;
  const std::uint64_t bytes_after = BytesIn(order.directory);
  made.copied_bytes = bytes_after > bytes_before ? bytes_after - bytes_before : 0;
  if (order.keep_newest > 0) {
    status = engine->PurgeOldBackups(order.keep_newest);
    if (!status.ok()) return Failed("deleting old ones, after one was made", status);
  }
  std::vector<rocksdb::BackupInfo> all;
  engine->GetBackupInfo(&all);
  made.backups = static_cast<std::uint32_t>(all.size());
  return made;
}

}  // namespace latchkey::storage
