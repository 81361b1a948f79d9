// A file system that forgets: what was not synced is kept in the memory of this process only, so
// that a crash, simulated or by kill -9, loses it. On an ordinary file system the page cache
// survives kill -9, and a forgotten sync would never show.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/mutex.h"
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

namespace latchkey::storage {

// Thread-safe, but for LoseUnsynced and Revive, which need all files closed.
//
// The model: appended bytes are readable at once and durable after Sync. A file or directory that
// was created, or a rename, is durable when its directory was synced. Deletions are durable at
// once, which is the harshest order for whoever deletes too early. Synced bytes are handed to the
// kernel and not to the disk: nothing here survives a real power failure, and it need not.
// RocksDB's own LOG is passed through.
class LostWriteFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  enum class Operation { kCreate, kAppend, kSync, kRename, kDirectorySync };
  static constexpr std::size_t kOperations = 5;

  // What was exercised.
  struct Counts {
    std::uint64_t operations = 0;
    std::uint64_t syncs = 0;
    std::uint64_t tables_created = 0;
    std::uint64_t faults[kOperations] = {};  // injected, by operation
    std::uint64_t dropped_bytes = 0;         // appended, not synced, lost
    std::uint64_t torn_files = 0;            // of whose unsynced bytes a crash left some
    std::uint64_t vanished_entries = 0;      // files created, lost for want of a directory sync
    std::uint64_t undone_renames = 0;
  };

  LostWriteFileSystem();

  // Lets the `nth` operation of that kind fail, from now on and counted from 1. An append that
  // fails has written the first half; a sync that fails has lost what it was to write.
  void FailAt(Operation operation, std::uint64_t nth, rocksdb::IOStatus error);
  // From the `nth` operation of any kind on, counted from 1, every operation fails and nothing
  // changes.
  void CrashAt(std::uint64_t nth);
  bool crashed() const;

  // The machine lost its power: `random` says how much of what was not synced got to the disk all
  // the same. Of a file's tail it is a beginning, in a log at times with a hole; of changed
  // directory entries the first so many: RocksDB relies on a file system that keeps their order, as
  // journals do.
  void LoseUnsynced(std::mt19937_64& random);
  // Only the process died: what was not synced is there for the next one, and may be lost later.
  void Revive();

  Counts counts() const;

  // How many processes have ended, and a deletion by the process that came after so many: one that
  // comes after its own end changes nothing.
  std::uint64_t life() const;
  rocksdb::IOStatus DeleteFileIn(std::uint64_t life, const std::string& name,
                                 const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug);

  static const char* kClassName() { return "LostWriteFileSystem"; }
  const char* Name() const override { return kClassName(); }

  rocksdb::IOStatus NewSequentialFile(const std::string& name, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewRandomAccessFile(const std::string& name,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                        rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetFileSize(const std::string& name, const rocksdb::IOOptions& options,
                                std::uint64_t* size, rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& name, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* directory,
                                 rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus CreateDir(const std::string& name, const rocksdb::IOOptions& options,
                              rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus CreateDirIfMissing(const std::string& name, const rocksdb::IOOptions& options,
                                       rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  // A store that failed is never closed and keeps its locks; here the next one takes them over.
  rocksdb::IOStatus LockFile(const std::string& name, const rocksdb::IOOptions& options,
                             rocksdb::FileLock** file_lock,
                             rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus UnlockFile(rocksdb::FileLock* file_lock, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  // RocksDB offers these as shortcuts for what the model does not have.
  rocksdb::IOStatus ReopenWritableFile(const std::string&, const rocksdb::FileOptions&,
                                       std::unique_ptr<rocksdb::FSWritableFile>*,
                                       rocksdb::IODebugContext*) override;
  rocksdb::IOStatus ReuseWritableFile(const std::string&, const std::string&,
                                      const rocksdb::FileOptions&,
                                      std::unique_ptr<rocksdb::FSWritableFile>*,
                                      rocksdb::IODebugContext*) override;

 private:
  friend class LostWriteFile;
  friend class LostWriteDirectory;

  // What the model knows of a file that was written through it.
  struct File {
    std::string name;
    std::uint64_t synced_bytes = 0;
    std::string tail;  // appended after the last sync
    std::size_t handed_over =
        0;  // so much of the tail is in the kernel's file, because somebody read it
  };
  // A directory entry that changed and is not synced.
  struct Change {
    std::string directory;
    std::string name;
    std::string renamed_from;             // empty: `name` was created
    std::optional<std::string> replaced;  // what a rename replaced
  };

  // Counts an operation and says whether it fails.
  rocksdb::IOStatus Begin(Operation operation) REQUIRES(mutex_);
  rocksdb::IOStatus MakeDirectory(const std::string& name) REQUIRES(mutex_);
  void HandOver(File& file) REQUIRES(mutex_);
  void HandOver(const std::string& name) REQUIRES(mutex_);
  void Undo(const Change& change) REQUIRES(mutex_);
  void Tear(File& file, std::mt19937_64& random) REQUIRES(mutex_);

  struct Fault {
    std::uint64_t countdown = 0;  // 0: none
    rocksdb::IOStatus error;
  };

  mutable Mutex mutex_;
  Fault faults_[kOperations] GUARDED_BY(mutex_);
  std::uint64_t crash_countdown_ GUARDED_BY(mutex_) = 0;
  bool crashed_ GUARDED_BY(mutex_) = false;
  std::uint64_t life_ GUARDED_BY(mutex_) = 0;
  std::map<std::string, std::shared_ptr<File>> files_ GUARDED_BY(mutex_);
  std::vector<Change> changes_ GUARDED_BY(mutex_);
  Counts counts_ GUARDED_BY(mutex_);
};

// An environment for a store: `files` for its files, and a clock that does not sleep, because
// RocksDB sleeps a second after a background failure.
std::shared_ptr<rocksdb::Env> MakeLostWriteEnvironment(
    const std::shared_ptr<LostWriteFileSystem>& files);

}  // namespace latchkey::storage
