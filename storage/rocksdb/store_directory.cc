#include "storage/rocksdb/store_directory.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

#include <rocksdb/file_system.h>

namespace latchkey::storage {
namespace {

constexpr std::string_view kMarker = "/LATCHKEY";
constexpr std::string_view kCreationMarker = "/LATCHKEY.creating";
constexpr std::string_view kLock = "/LOCK";
constexpr std::string_view kMarkerText = "latchkey store, format ";

using rocksdb::FileSystem;
using rocksdb::IOOptions;

std::string Join(std::string_view first, std::string_view second) {
  return std::string(first).append(second);
}

absl::Status Refusal(std::string_view path, std::string_view why) {
  return absl::FailedPreconditionError(Join("store directory ", path).append(" ").append(why));
}

absl::Status WriteFailure(std::string_view path, const rocksdb::Status& cause) {
  return absl::UnavailableError(
      Join("store directory ", path).append(" cannot be written: ").append(cause.ToString()));
}

rocksdb::IOStatus SyncDirectory(FileSystem& file_system, const std::string& path) {
  std::unique_ptr<rocksdb::FSDirectory> directory;
  rocksdb::IOStatus status = file_system.NewDirectory(path, IOOptions(), &directory, nullptr);
  if (status.ok()) status = directory->Fsync(IOOptions(), nullptr);
  return status;
}

// The answer is whether there is no store yet.
absl::StatusOr<bool> CheckMarker(const std::string& path, FileSystem& file_system) {
  std::string text;
  const rocksdb::Status read = ReadFileToString(&file_system, Join(path, kMarker), &text);
  if (!read.ok()) return Refusal(path, Join("cannot be read: ", read.ToString()));
  if (text.ends_with('\n')) text.pop_back();
  if (!text.starts_with(kMarkerText)) {
    return Refusal(path, "has a LATCHKEY file that Latchkey did not write");
  }
  const std::string version = text.substr(kMarkerText.size());
  if (version == std::to_string(kStoreFormatVersion)) return false;
  return Refusal(path, Join("has format version ", version)
                           .append(", this build reads version ")
                           .append(std::to_string(kStoreFormatVersion))
                           .append(": run the Latchkey that wrote it"));
}

// Reads what is in the directory, which exists, and changes nothing.
absl::StatusOr<bool> IsNew(const std::string& path, FileSystem& file_system) {
  std::vector<std::string> children;
  const rocksdb::Status listed = file_system.GetChildren(path, IOOptions(), &children, nullptr);
  if (!listed.ok()) return Refusal(path, Join("cannot be listed: ", listed.ToString()));
  bool foreign = false;
  bool creating = false;
  for (const std::string& child : children) {
    if (child == kMarker.substr(1)) return CheckMarker(path, file_system);
    if (child == kCreationMarker.substr(1)) creating = true;
    // A new file system has lost+found in its root.
    const bool harmless =
        child == "." || child == ".." || child == kLock.substr(1) || child == "lost+found";
    if (!harmless) foreign = true;
  }
  if (foreign && !creating) {
    return Refusal(path,
                   "holds something else than a Latchkey store: give an empty or new directory");
  }
  return true;
}

absl::Status CheckWritable(const std::string& path) {
  for (const std::string& file : {path, Join(path, kLock)}) {
    if (::access(file.c_str(), W_OK) != 0 && errno != ENOENT) {
      return Refusal(path, Join("is not writable: ", std::strerror(errno)));
    }
  }
  return absl::OkStatus();
}

std::string ParentOf(const std::string& path) {
  return std::filesystem::absolute(path).parent_path();
}

// Makes sure that there is a directory. Only the last part of the path is ever created.
absl::Status EnsureDirectory(const std::string& path, FileSystem& file_system) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return absl::OkStatus();
  if (std::filesystem::exists(path, error)) return Refusal(path, "is not a directory");
  const std::string parent = ParentOf(path);
  if (!std::filesystem::is_directory(parent, error)) {
    return Refusal(path, Join("cannot be created: there is no directory ", parent));
  }
  const rocksdb::IOStatus status = file_system.CreateDir(path, IOOptions(), nullptr);
  if (!status.ok()) return Refusal(path, Join("cannot be created: ", status.ToString()));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<StoreDirectory> StoreDirectory::Open(const std::string& path,
                                                    std::shared_ptr<FileSystem> file_system) {
  std::string trimmed = path;
  while (trimmed.size() > 1 && trimmed.ends_with('/')) trimmed.pop_back();
  if (trimmed.empty()) return absl::FailedPreconditionError("the store's directory has no name");
  StoreDirectory directory(trimmed, std::move(file_system));
  FileSystem& files = *directory.file_system_;

  if (absl::Status there = EnsureDirectory(trimmed, files); !there.ok()) return there;
  // Looked at twice: before the lock, so that a directory that is refused stays as it is, and with
  // the lock held, when nobody else can change it.
  absl::StatusOr<bool> is_new = IsNew(trimmed, files);
  if (!is_new.ok()) return is_new.status();
  if (absl::Status locked = directory.Lock(); !locked.ok()) return locked;
  is_new = IsNew(trimmed, files);
  if (!is_new.ok()) return is_new.status();
  directory.is_new_ = *is_new;
  if (directory.is_new_) {
    if (absl::Status begun = directory.BeginCreation(); !begun.ok()) return begun;
  }
  return directory;
}

StoreDirectory::StoreDirectory(std::string path, std::shared_ptr<FileSystem> file_system)
    : path_(std::move(path)), file_system_(std::move(file_system)) {}

StoreDirectory::StoreDirectory(StoreDirectory&& other) noexcept
    : path_(std::move(other.path_)),
      file_system_(std::move(other.file_system_)),
      lock_(std::exchange(other.lock_, nullptr)),
      is_new_(other.is_new_) {}

StoreDirectory::~StoreDirectory() {
  if (lock_ == nullptr) return;
  const rocksdb::Status unlocked = file_system_->UnlockFile(lock_, IOOptions(), nullptr);
  unlocked.PermitUncheckedError();  // the process's end unlocks, too
}

absl::Status StoreDirectory::Lock() {
  if (absl::Status writable = CheckWritable(path_); !writable.ok()) return writable;
  const rocksdb::Status locked =
      file_system_->LockFile(Join(path_, kLock), IOOptions(), &lock_, nullptr);
  if (locked.ok()) return absl::OkStatus();
  lock_ = nullptr;
  return Refusal(path_,
                 Join("is in use by another process, or cannot be locked: ", locked.ToString()));
}

absl::Status StoreDirectory::BeginCreation() {
  // The directory's own entry: also where it was there, for whoever made it may have ended before
  // it was synced. One who may not read the parent has not made it.
  rocksdb::IOStatus status;
  const std::string parent = ParentOf(path_);
  if (::access(parent.c_str(), R_OK) == 0) status = SyncDirectory(*file_system_, parent);
  if (status.ok()) {
    status = WriteStringToFile(file_system_.get(),
                               Join(kMarkerText, std::to_string(kStoreFormatVersion)) + "\n",
                               Join(path_, kCreationMarker), /*should_sync=*/true);
  }
  // Synced before there is anything else, or what is left of a crash would look like something
  // foreign.
  if (status.ok()) status = SyncDirectory(*file_system_, path_);
  if (status.ok()) {
    status = file_system_->CreateDirIfMissing(database(), IOOptions(), nullptr);
  }
  if (status.ok()) status = SyncDirectory(*file_system_, path_);
  if (!status.ok()) return WriteFailure(path_, status);
  return absl::OkStatus();
}

absl::Status MarkAsStore(const std::string& path) {
  const rocksdb::IOStatus written = WriteStringToFile(
      FileSystem::Default().get(), Join(kMarkerText, std::to_string(kStoreFormatVersion)) + "\n",
      Join(path, kMarker), /*should_sync=*/true);
  return written.ok() ? absl::OkStatus() : WriteFailure(path, written);
}

absl::Status StoreDirectory::FinishCreation() {
  rocksdb::IOStatus status = file_system_->RenameFile(Join(path_, kCreationMarker),
                                                      Join(path_, kMarker), IOOptions(), nullptr);
  if (status.ok()) status = SyncDirectory(*file_system_, path_);
  if (!status.ok()) return WriteFailure(path_, status);
  is_new_ = false;
  return absl::OkStatus();
}

}  // namespace latchkey::storage
