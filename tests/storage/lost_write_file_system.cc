#include "tests/storage/lost_write_file_system.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

#include <rocksdb/system_clock.h>

namespace latchkey::storage {
namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kWrittenAheadBytesMax = std::size_t{1} << 17;

// One spelling for each file.
std::string Normal(const std::string& name) {
  std::string normal = std::filesystem::path(name).lexically_normal();
  while (normal.size() > 1 && normal.ends_with('/')) normal.pop_back();
  return normal;
}

std::string DirectoryOf(const std::string& name) {
  return std::filesystem::path(name).parent_path();
}

void Require(bool good, const char* what, const std::string& name) {
  if (good) return;
  std::fprintf(stderr, "LostWriteFileSystem: cannot %s %s\n", what, name.c_str());
  std::abort();
}

std::string ReadAll(const std::string& name) {
  std::ifstream file(name, std::ios::binary);
  Require(file.good(), "read", name);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

void WriteAll(const std::string& name, std::string_view bytes, std::ios::openmode mode) {
  std::ofstream file(name, std::ios::binary | mode);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  Require(file.good(), "write", name);
}

class SleeplessClock final : public rocksdb::SystemClockWrapper {
 public:
  SleeplessClock() : SystemClockWrapper(rocksdb::SystemClock::Default()) {}
  const char* Name() const override { return "SleeplessClock"; }
  void SleepForMicroseconds(int) override { std::this_thread::yield(); }
};

// The files as one process sees them. A failed store is abandoned, not closed, and RocksDB's
// threads go on for a while; what they would delete after the next process has begun is left alone,
// because a real process would have taken them with it.
class OneLife final : public rocksdb::FileSystemWrapper {
 public:
  explicit OneLife(const std::shared_ptr<LostWriteFileSystem>& files)
      : FileSystemWrapper(files), files_(*files), life_(files->life()) {}
  const char* Name() const override { return "OneLife"; }
  IOStatus DeleteFile(const std::string& name, const IOOptions& options,
                      IODebugContext* debug) override {
    return files_.DeleteFileIn(life_, name, options, debug);
  }

 private:
  LostWriteFileSystem& files_;
  const std::uint64_t life_;
};

class LostWriteEnvironment final : public rocksdb::EnvWrapper {
 public:
  explicit LostWriteEnvironment(const std::shared_ptr<OneLife>& files)
      : EnvWrapper(rocksdb::NewCompositeEnv(files)) {
    file_system_ = files;
    system_clock_ = std::make_shared<SleeplessClock>();
  }
  const char* Name() const override { return "LostWriteEnvironment"; }
};

bool IsInfoLog(const std::string& name) {
  return std::filesystem::path(name).filename().string().starts_with("LOG");
}

}  // namespace

// An open file.
class LostWriteFile final : public rocksdb::FSWritableFile {
 public:
  LostWriteFile(LostWriteFileSystem& system, std::shared_ptr<LostWriteFileSystem::File> file)
      : system_(system), file_(std::move(file)) {}

  IOStatus Append(const rocksdb::Slice& data, const IOOptions&, IODebugContext*) override {
    MutexLock lock(system_.mutex_);
    if (system_.crashed_) return system_.Begin(LostWriteFileSystem::Operation::kAppend);
    IOStatus status = system_.Begin(LostWriteFileSystem::Operation::kAppend);
    file_->tail.append(data.data(), status.ok() ? data.size() : data.size() / 2);
    return status;
  }
  using rocksdb::FSWritableFile::Append;

  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    MutexLock lock(system_.mutex_);
    IOStatus status = system_.Begin(LostWriteFileSystem::Operation::kSync);
    if (system_.crashed_) return status;
    if (status.ok()) {
      system_.HandOver(*file_);
      file_->synced_bytes += file_->tail.size();
      ++system_.counts_.syncs;
    } else {
      // The kernel takes pages for clean once their write-back has failed.
      system_.counts_.dropped_bytes += file_->tail.size();
      std::filesystem::resize_file(file_->name, file_->synced_bytes);
    }
    file_->tail.clear();
    file_->handed_over = 0;
    return status;
  }

  IOStatus Truncate(std::uint64_t size, const IOOptions&, IODebugContext*) override {
    MutexLock lock(system_.mutex_);
    Require(size == file_->synced_bytes + file_->tail.size(), "truncate", file_->name);
    return IOStatus::OK();
  }
  std::uint64_t GetFileSize(const IOOptions&, IODebugContext*) override {
    MutexLock lock(system_.mutex_);
    return file_->synced_bytes + file_->tail.size();
  }
  // There is nothing to preallocate. The inherited one keeps count in plain members that only
  // RocksDB's own locks protect, which ThreadSanitizer cannot see.
  void PrepareWrite(std::size_t, std::size_t, const IOOptions&, IODebugContext*) override {}
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  bool IsSyncThreadSafe() const override { return true; }

 private:
  LostWriteFileSystem& system_;
  const std::shared_ptr<LostWriteFileSystem::File> file_;
};

// A file open for reading, which holds no descriptor: a store that failed is never closed, and a
// test leaves thousands of those behind.
class LostWriteReader final : public rocksdb::FSRandomAccessFile {
 public:
  LostWriteReader(rocksdb::FileSystem& files, std::string name)
      : files_(files), name_(std::move(name)) {}

  IOStatus Read(std::uint64_t offset, std::size_t size, const IOOptions& options,
                rocksdb::Slice* result, char* scratch, IODebugContext* debug) const override {
    std::unique_ptr<rocksdb::FSRandomAccessFile> file;
    IOStatus status = files_.NewRandomAccessFile(name_, rocksdb::FileOptions(), &file, debug);
    if (status.ok()) status = file->Read(offset, size, options, result, scratch, debug);
    return status;
  }

 private:
  rocksdb::FileSystem& files_;
  const std::string name_;
};

// An open directory.
class LostWriteDirectory final : public rocksdb::FSDirectory {
 public:
  LostWriteDirectory(LostWriteFileSystem& system, std::string name)
      : system_(system), name_(std::move(name)) {}

  IOStatus Fsync(const IOOptions&, IODebugContext*) override {
    MutexLock lock(system_.mutex_);
    IOStatus status = system_.Begin(LostWriteFileSystem::Operation::kDirectorySync);
    if (!status.ok()) return status;
    std::erase_if(system_.changes_,
                  [this](const auto& change) { return change.directory == name_; });
    return status;
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  LostWriteFileSystem& system_;
  const std::string name_;
};

LostWriteFileSystem::LostWriteFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}

void LostWriteFileSystem::FailAt(Operation operation, std::uint64_t nth, IOStatus error) {
  MutexLock lock(mutex_);
  faults_[static_cast<std::size_t>(operation)] = {nth, std::move(error)};
}

void LostWriteFileSystem::CrashAt(std::uint64_t nth) {
  MutexLock lock(mutex_);
  crash_countdown_ = nth;
}

bool LostWriteFileSystem::crashed() const {
  MutexLock lock(mutex_);
  return crashed_;
}

LostWriteFileSystem::Counts LostWriteFileSystem::counts() const {
  MutexLock lock(mutex_);
  return counts_;
}

IOStatus LostWriteFileSystem::Begin(Operation operation) {
  ++counts_.operations;
  if (crash_countdown_ > 0 && --crash_countdown_ == 0) crashed_ = true;
  if (crashed_) return IOStatus::IOError("the machine is down");
  Fault& fault = faults_[static_cast<std::size_t>(operation)];
  if (fault.countdown == 0 || --fault.countdown > 0) return IOStatus::OK();
  ++counts_.faults[static_cast<std::size_t>(operation)];
  return fault.error;
}

void LostWriteFileSystem::HandOver(File& file) {
  WriteAll(file.name, std::string_view(file.tail).substr(file.handed_over), std::ios::app);
  file.handed_over = file.tail.size();
}

void LostWriteFileSystem::HandOver(const std::string& name) {
  const auto found = files_.find(Normal(name));
  if (found != files_.end()) HandOver(*found->second);
}

IOStatus LostWriteFileSystem::NewSequentialFile(const std::string& name,
                                                const rocksdb::FileOptions& options,
                                                std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                                IODebugContext* debug) {
  MutexLock lock(mutex_);
  HandOver(name);
  return target()->NewSequentialFile(name, options, file, debug);
}

IOStatus LostWriteFileSystem::NewRandomAccessFile(
    const std::string& name, const rocksdb::FileOptions&,
    std::unique_ptr<rocksdb::FSRandomAccessFile>* file, IODebugContext*) {
  MutexLock lock(mutex_);
  HandOver(name);
  if (!std::filesystem::exists(name)) return IOStatus::PathNotFound(name);
  *file = std::make_unique<LostWriteReader>(*target(), name);
  return IOStatus::OK();
}

IOStatus LostWriteFileSystem::GetFileSize(const std::string& name, const IOOptions& options,
                                          std::uint64_t* size, IODebugContext* debug) {
  MutexLock lock(mutex_);
  HandOver(name);
  return target()->GetFileSize(name, options, size, debug);
}

IOStatus LostWriteFileSystem::NewWritableFile(const std::string& name, const rocksdb::FileOptions&,
                                              std::unique_ptr<rocksdb::FSWritableFile>* file,
                                              IODebugContext*) {
  MutexLock lock(mutex_);
  IOStatus status = Begin(Operation::kCreate);
  if (!status.ok()) return status;
  auto state = std::make_shared<File>();
  state->name = Normal(name);
  if (!std::filesystem::exists(state->name)) {
    changes_.push_back({DirectoryOf(state->name), state->name, {}, {}});
  }
  if (state->name.ends_with(".sst")) ++counts_.tables_created;
  WriteAll(state->name, {}, std::ios::trunc);
  files_[state->name] = state;
  *file = std::make_unique<LostWriteFile>(*this, std::move(state));
  return status;
}

IOStatus LostWriteFileSystem::NewDirectory(const std::string& name, const IOOptions&,
                                           std::unique_ptr<rocksdb::FSDirectory>* directory,
                                           IODebugContext*) {
  if (!std::filesystem::is_directory(name)) return IOStatus::PathNotFound(name);
  *directory = std::make_unique<LostWriteDirectory>(*this, Normal(name));
  return IOStatus::OK();
}

IOStatus LostWriteFileSystem::MakeDirectory(const std::string& name) {
  IOStatus status = Begin(Operation::kCreate);
  if (!status.ok()) return status;
  status = target()->CreateDir(name, IOOptions(), nullptr);
  if (status.ok()) changes_.push_back({DirectoryOf(Normal(name)), Normal(name), {}, {}});
  return status;
}

IOStatus LostWriteFileSystem::CreateDir(const std::string& name, const IOOptions&,
                                        IODebugContext*) {
  MutexLock lock(mutex_);
  return MakeDirectory(name);
}

IOStatus LostWriteFileSystem::CreateDirIfMissing(const std::string& name, const IOOptions&,
                                                 IODebugContext*) {
  MutexLock lock(mutex_);
  return std::filesystem::is_directory(name) ? IOStatus::OK() : MakeDirectory(name);
}

std::uint64_t LostWriteFileSystem::life() const {
  MutexLock lock(mutex_);
  return life_;
}

IOStatus LostWriteFileSystem::DeleteFile(const std::string& name, const IOOptions& options,
                                         IODebugContext* debug) {
  return DeleteFileIn(life(), name, options, debug);
}

IOStatus LostWriteFileSystem::DeleteFileIn(std::uint64_t life, const std::string& name,
                                           const IOOptions& options, IODebugContext* debug) {
  MutexLock lock(mutex_);
  if (crashed_ || life != life_) return IOStatus::IOError("the machine is down");
  const std::string normal = Normal(name);
  files_.erase(normal);
  std::erase_if(changes_, [&](const Change& change) { return change.name == normal; });
  return target()->DeleteFile(name, options, debug);
}

IOStatus LostWriteFileSystem::RenameFile(const std::string& from, const std::string& to,
                                         const IOOptions& options, IODebugContext* debug) {
  if (IsInfoLog(to)) return target()->RenameFile(from, to, options, debug);
  MutexLock lock(mutex_);
  IOStatus status = Begin(Operation::kRename);
  if (!status.ok()) return status;
  Change change{DirectoryOf(Normal(to)), Normal(to), Normal(from), {}};
  if (std::filesystem::exists(change.name)) {
    HandOver(change.name);
    change.replaced = ReadAll(change.name);
  }
  status = target()->RenameFile(from, to, options, debug);
  if (!status.ok()) return status;
  auto moved = files_.extract(change.renamed_from);
  files_.erase(change.name);
  if (!moved.empty()) {
    moved.key() = change.name;
    moved.mapped()->name = change.name;
    files_.insert(std::move(moved));
  }
  changes_.push_back(std::move(change));
  return status;
}

IOStatus LostWriteFileSystem::LockFile(const std::string&, const IOOptions&,
                                       rocksdb::FileLock** file_lock, IODebugContext*) {
  *file_lock = new rocksdb::FileLock();
  return IOStatus::OK();
}

IOStatus LostWriteFileSystem::UnlockFile(rocksdb::FileLock* file_lock, const IOOptions&,
                                         IODebugContext*) {
  delete file_lock;
  return IOStatus::OK();
}

IOStatus LostWriteFileSystem::ReopenWritableFile(const std::string&, const rocksdb::FileOptions&,
                                                 std::unique_ptr<rocksdb::FSWritableFile>*,
                                                 IODebugContext*) {
  return IOStatus::NotSupported("ReopenWritableFile");
}

IOStatus LostWriteFileSystem::ReuseWritableFile(const std::string&, const std::string&,
                                                const rocksdb::FileOptions&,
                                                std::unique_ptr<rocksdb::FSWritableFile>*,
                                                IODebugContext*) {
  return IOStatus::NotSupported("ReuseWritableFile");
}

void LostWriteFileSystem::LoseUnsynced(std::mt19937_64& random) {
  MutexLock lock(mutex_);
  ++life_;
  for (const auto& [name, file] : files_) {
    if (!file->tail.empty()) Tear(*file, random);
  }
  const std::size_t kept = random() % (changes_.size() + 1);
  while (changes_.size() > kept) {
    Undo(changes_.back());
    changes_.pop_back();
  }
  changes_.clear();
  files_.clear();
  for (Fault& fault : faults_) fault.countdown = 0;
  crash_countdown_ = 0;
  crashed_ = false;
}

void LostWriteFileSystem::Revive() {
  MutexLock lock(mutex_);
  ++life_;
  for (Fault& fault : faults_) fault.countdown = 0;
  crash_countdown_ = 0;
  crashed_ = false;
}

void LostWriteFileSystem::Undo(const Change& change) {
  if (change.renamed_from.empty()) {
    std::filesystem::remove_all(change.name);
    ++counts_.vanished_entries;
    return;
  }
  std::filesystem::rename(change.name, change.renamed_from);
  if (change.replaced.has_value()) WriteAll(change.name, *change.replaced, std::ios::trunc);
  ++counts_.undone_renames;
}

void LostWriteFileSystem::Tear(File& file, std::mt19937_64& random) {
  // All, nothing, or a beginning.
  const std::size_t all = file.tail.size();
  const std::uint64_t choice = random() % 4;
  std::size_t kept = choice == 0 ? all : choice == 1 ? 0 : random() % (all + 1);
  std::string survivors = file.tail.substr(0, kept);
  // Pages are written out in any order: one of those in between may still be missing. RocksDB syncs
  // its log before every answer and its manifest within one page, so only logs can have that.
  if (file.name.ends_with(".log") && random() % 2 == 0) {
    const std::size_t first_page = file.synced_bytes / kPageBytes;
    const std::size_t pages = (file.synced_bytes + kept) / kPageBytes - first_page + 1;
    const std::size_t page = (first_page + random() % pages) * kPageBytes;
    const std::size_t from = std::max<std::size_t>(page, file.synced_bytes) - file.synced_bytes;
    const std::size_t to = std::min<std::size_t>(page + kPageBytes - file.synced_bytes, kept);
    std::fill(survivors.begin() + static_cast<std::ptrdiff_t>(from),
              survivors.begin() + static_cast<std::ptrdiff_t>(std::max(from, to)), '\0');
  }
  // Logs are written ahead of what is appended, and may end with that.
  if (file.name.ends_with(".log") && random() % 2 == 0) {
    survivors.append(random() % kWrittenAheadBytesMax, '\0');
  }
  std::filesystem::resize_file(file.name, file.synced_bytes);
  WriteAll(file.name, survivors, std::ios::app);
  counts_.dropped_bytes += all - kept;
  if (kept > 0) ++counts_.torn_files;
}

std::shared_ptr<rocksdb::Env> MakeLostWriteEnvironment(
    const std::shared_ptr<LostWriteFileSystem>& files) {
  return std::make_shared<LostWriteEnvironment>(std::make_shared<OneLife>(files));
}

}  // namespace latchkey::storage
