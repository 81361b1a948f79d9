#include "storage/rocksdb/prewritten_logs.h"

#include <cstdint>
#include <string>
#include <utility>

namespace latchkey::storage {
namespace {

using rocksdb::DataVerificationInfo;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

// So much is written in one go, with the sync that comes next: rarely enough not to be felt, and
// little enough that the one call that waits for it does not wait for long.
constexpr std::size_t kStepBytes = std::size_t{1} << 20;

// RocksDB calls it from one thread at a time.
class PrewrittenLog final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  using FSWritableFileOwnerWrapper::FSWritableFileOwnerWrapper;

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    WriteAhead(data.size(), options, debug);
    IOStatus appended = FSWritableFileOwnerWrapper::Append(data, options, debug);
    if (appended.ok()) size_ += data.size();
    return appended;
  }

  IOStatus Append(const Slice& data, const IOOptions& options,
                  const DataVerificationInfo& /*the machine's file system ignores it, too*/,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }

  IOStatus Truncate(std::uint64_t size, const IOOptions& options, IODebugContext* debug) override {
    size_ = size;
    written_ = size;
    return FSWritableFileOwnerWrapper::Truncate(size, options, debug);
  }

  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    IOStatus cut = Truncate(size_, options, debug);
    IOStatus closed = FSWritableFileOwnerWrapper::Close(options, debug);
    return cut.ok() ? closed : cut;
  }

  std::uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return size_; }

 private:
  // Makes sure that the next `bytes` overwrite something. If that fails, the append tells why.
  void WriteAhead(std::size_t bytes, const IOOptions& options, IODebugContext* debug) {
    static const std::string zeros(kStepBytes, '\0');
    while (written_ < size_ + bytes) {
      // Does not move the place where appends go.
      if (!PositionedAppend(zeros, written_, options, debug).ok()) return;
      written_ += zeros.size();
    }
  }

  std::uint64_t size_ = 0;     // of what was appended
  std::uint64_t written_ = 0;  // the file's, with the zeros
};

class PrewrittenLogs final : public rocksdb::FileSystemWrapper {
 public:
  using FileSystemWrapper::FileSystemWrapper;
  const char* Name() const override { return "PrewrittenLogs"; }

  IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* file,
                           IODebugContext* debug) override {
    IOStatus made = FileSystemWrapper::NewWritableFile(name, options, file, debug);
    if (made.ok() && name.ends_with(".log")) {
      *file = std::make_unique<PrewrittenLog>(std::move(*file));
    }
    return made;
  }
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> MakePrewrittenLogs(
    const std::shared_ptr<rocksdb::FileSystem>& base) {
  return std::make_shared<PrewrittenLogs>(base);
}

}  // namespace latchkey::storage
