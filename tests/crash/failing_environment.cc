// What RocksDB sees of the machine in latchkeyd_failpoints, which links this in place of
// storage/rocksdb/default_environment.cc.
//
//   LATCHKEY_LOSE_UNSYNCED=1   a kill loses all bytes that were not synced, as a power failure does
//   LATCHKEY_SKIP_SYNC=1       the log is never synced: the control, in which promises are broken
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "base/failpoint.h"
#include "storage/rocksdb/default_environment.h"
#include "storage/rocksdb/prewritten_logs.h"
#include "tests/storage/lost_write_file_system.h"
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

namespace latchkey::storage {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

bool IsSet(const char* variable) { return std::getenv(variable) != nullptr; }

// The write-ahead log, with failpoints around every sync.
class LogFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  using FSWritableFileOwnerWrapper::FSWritableFileOwnerWrapper;

  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    static const bool skips = IsSet("LATCHKEY_SKIP_SYNC");
    Failpoint("before_sync");
    const IOStatus synced =
        skips ? IOStatus::OK() : FSWritableFileOwnerWrapper::Sync(options, debug);
    Failpoint("after_sync");
    return synced;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return Sync(options, debug);
  }
};

class FailingFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  using FileSystemWrapper::FileSystemWrapper;
  const char* Name() const override { return "FailingFileSystem"; }

  IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file,
                           IODebugContext* debug) override {
    IOStatus status = FileSystemWrapper::NewWritableFile(name, options, file, debug);
    if (status.ok() && name.ends_with(".log")) *file = std::make_unique<LogFile>(std::move(*file));
    return status;
  }
};

}  // namespace

std::shared_ptr<rocksdb::Env> DefaultEnvironment() {
  std::shared_ptr<rocksdb::FileSystem> files = MakePrewrittenLogs(rocksdb::FileSystem::Default());
  if (IsSet("LATCHKEY_LOSE_UNSYNCED")) files = std::make_shared<LostWriteFileSystem>();
  return rocksdb::NewCompositeEnv(std::make_shared<FailingFileSystem>(std::move(files)));
}

}  // namespace latchkey::storage
