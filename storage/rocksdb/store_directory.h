// The directory of a store: what is in it, who may open it, and when it is refused.
//
//   <path>/LATCHKEY   says that this is a store, and its format version
//   <path>/LOCK       locked by the process that has the store open
//   <path>/db/        RocksDB's own files
//
// A store is being created as long as the first file is called LATCHKEY.creating; nothing was
// acknowledged yet, so an attempt that was interrupted is simply gone on with.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace rocksdb {
class FileLock;
class FileSystem;
}  // namespace rocksdb

namespace latchkey::storage {

// The format this build creates, and the only one it opens.
inline constexpr int kStoreFormatVersion = 1;

// Makes a store of a directory whose database is complete. Nobody may have it open.
absl::Status MarkAsStore(const std::string& path);

// Holds the lock for as long as it lives. Not thread-safe.
class StoreDirectory {
 public:
  // Locks the store's directory, which is created if it is missing and its parent is there. Refused
  // with one line that says why, and nothing created or changed, are a directory that holds
  // anything else, a format version that this build does not know, and one that is in use or cannot
  // be written.
  static absl::StatusOr<StoreDirectory> Open(const std::string& path,
                                             std::shared_ptr<rocksdb::FileSystem> file_system);

  StoreDirectory(StoreDirectory&&) noexcept;
  ~StoreDirectory();

  // Whether there is no store yet: the caller makes one in `database()`, then calls
  // FinishCreation().
  bool is_new() const { return is_new_; }
  const std::string& path() const { return path_; }
  std::string database() const { return path_ + "/db"; }

  // Makes what was created a store, durably.
  absl::Status FinishCreation();

 private:
  StoreDirectory(std::string path, std::shared_ptr<rocksdb::FileSystem> file_system);

  absl::Status Lock();
  absl::Status BeginCreation();

  std::string path_;
  std::shared_ptr<rocksdb::FileSystem> file_system_;
  rocksdb::FileLock* lock_ = nullptr;
  bool is_new_ = false;
};

}  // namespace latchkey::storage
