// Which directories are opened, and which are refused without a trace.
#include "storage/rocksdb/store_directory.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include "storage/rocksdb/rocksdb_record_store.h"
#include "tests/storage/test_records.h"
#include "tests/support/temporary_directory.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey::storage {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class StoreDirectoryTest : public ::testing::Test {
 protected:
  static absl::Status TryOpen(const std::string& path) {
    return RocksDbRecordStore::Open(path, {}).status();
  }

  // Everything below the temporary directory: names, contents, times.
  std::map<std::string, std::string> Snapshot() const {
    std::map<std::string, std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(directory_.path())) {
      std::string& text = all[entry.path()];
      text = std::to_string(entry.last_write_time().time_since_epoch().count());
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      text.append(std::istreambuf_iterator<char>(file), {});
    }
    return all;
  }

  void ExpectRefused(const std::string& path, const std::string& why) {
    const auto before = Snapshot();
    const absl::Status status = TryOpen(path);
    EXPECT_FALSE(status.ok());
    const std::string message(status.message());
    EXPECT_THAT(message, HasSubstr(why));
    EXPECT_THAT(message, HasSubstr(path));
    EXPECT_EQ(message.find('\n'), std::string::npos) << "one line";
    EXPECT_EQ(Snapshot(), before) << "nothing is created or changed";
  }

  static void WriteFile(const std::string& name, const std::string& text) {
    std::ofstream(name) << text;
  }

  void MakeStore() {
    auto store = RocksDbRecordStore::Open(directory_.store(), {});
    ASSERT_TRUE(store.ok()) << store.status();
    ASSERT_TRUE((*store)->Close().ok());
  }

  TemporaryDirectory directory_;
};

TEST_F(StoreDirectoryTest, LastPartOfThePathIsCreated) {
  EXPECT_TRUE(TryOpen(directory_.store() + "/").ok());
  EXPECT_TRUE(fs::exists(directory_.store() + "/LATCHKEY"));
}

TEST_F(StoreDirectoryTest, ParentMustBeThere) {
  ExpectRefused(directory_.path() + "/no/store",
                "there is no directory " + directory_.path() + "/no");
}

TEST_F(StoreDirectoryTest, EmptyDirectoryAndRootOfANewFileSystemAreTaken) {
  fs::create_directories(directory_.store() + "/lost+found");
  EXPECT_TRUE(TryOpen(directory_.store()).ok());
}

TEST_F(StoreDirectoryTest, RelativePathWorks) {
  const fs::path before = fs::current_path();
  fs::current_path(directory_.path());
  EXPECT_TRUE(TryOpen("store").ok());
  fs::current_path(before);
  EXPECT_TRUE(fs::exists(directory_.store() + "/LATCHKEY"));
}

TEST_F(StoreDirectoryTest, ForeignDirectoryIsRefused) {
  fs::create_directory(directory_.store());
  WriteFile(directory_.store() + "/letter.txt", "dear diary");
  ExpectRefused(directory_.store(), "holds something else");
}

TEST_F(StoreDirectoryTest, DirectoryOfAnotherRocksDbIsRefused) {
  MakeStore();
  ExpectRefused(directory_.store() + "/db", "holds something else");
}

TEST_F(StoreDirectoryTest, FileIsRefused) {
  WriteFile(directory_.store(), "a file");
  ExpectRefused(directory_.store(), "is not a directory");
}

TEST_F(StoreDirectoryTest, NoNameIsRefused) { EXPECT_FALSE(TryOpen("").ok()); }

TEST_F(StoreDirectoryTest, UnknownFormatVersionIsRefused) {
  MakeStore();
  for (const char* version : {"2", "17", "0", "", "1.5", "-1"}) {
    WriteFile(directory_.store() + "/LATCHKEY",
              std::string("latchkey store, format ") + version + "\n");
    ExpectRefused(directory_.store(), std::string("has format version ") + version);
  }
  WriteFile(directory_.store() + "/LATCHKEY", "latchkey store, format 1\n");
  EXPECT_TRUE(TryOpen(directory_.store()).ok());
}

TEST_F(StoreDirectoryTest, StrangeMarkerIsRefused) {
  MakeStore();
  WriteFile(directory_.store() + "/LATCHKEY", "");
  ExpectRefused(directory_.store(), "LATCHKEY file that Latchkey did not write");
}

TEST_F(StoreDirectoryTest, StoreInUseIsRefused) {
  auto store = RocksDbRecordStore::Open(directory_.store(), {});
  ASSERT_TRUE(store.ok());
  const Record held = MakeRecord(State::HELD, 1);
  const Write write = Put("key", held);
  ASSERT_TRUE((*store)->Commit({&write, 1}).ok());
  EXPECT_THAT(std::string(TryOpen(directory_.store()).message()),
              HasSubstr("in use by another process"));
  EXPECT_TRUE((*store)->SaveState({}).ok()) << "the store that is open works on";
  EXPECT_TRUE((*store)->Close().ok());
  store->reset();
  EXPECT_TRUE(TryOpen(directory_.store()).ok());
}

// Locks the store from another process for as long as it lives.
class LockingProcess {
 public:
  explicit LockingProcess(const std::string& lock_file) {
    int ends[2];
    if (::pipe(ends) != 0) std::abort();
    process_ = ::fork();
    if (process_ == 0) {
      struct flock lock = {};
      lock.l_type = F_WRLCK;
      const int file = ::open(lock_file.c_str(), O_RDWR);
      const char answer = ::fcntl(file, F_SETLK, &lock) == 0 ? 'y' : 'n';
      if (::write(ends[1], &answer, 1) == 1) ::pause();
      ::_exit(0);
    }
    char answer = 'n';
    locked_ = ::read(ends[0], &answer, 1) == 1 && answer == 'y';
    ::close(ends[0]);
    ::close(ends[1]);
  }
  ~LockingProcess() {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  bool locked() const { return locked_; }

 private:
  pid_t process_ = 0;
  bool locked_ = false;
};

TEST_F(StoreDirectoryTest, StoreInUseByAnotherProcessIsRefused) {
  MakeStore();
  {
    const LockingProcess other(directory_.store() + "/LOCK");
    ASSERT_TRUE(other.locked());
    ExpectRefused(directory_.store(), "in use by another process");
  }
  EXPECT_TRUE(TryOpen(directory_.store()).ok());
}

TEST_F(StoreDirectoryTest, StoreWithoutItsDatabaseIsNotMadeAnew) {
  MakeStore();
  fs::remove_all(directory_.store() + "/db");
  EXPECT_FALSE(TryOpen(directory_.store()).ok());
  EXPECT_FALSE(fs::exists(directory_.store() + "/db/CURRENT"));
}

// Runs as a user who may read the directories and not write them.
using StoreDirectoryDeathTest = StoreDirectoryTest;

TEST_F(StoreDirectoryDeathTest, DirectoryThatCannotBeWrittenIsRefused) {
  // By hand, because RocksDB has threads and a death test forks.
  fs::create_directory(directory_.store());
  WriteFile(directory_.store() + "/LATCHKEY", "latchkey store, format 1\n");
  fs::create_directory(directory_.path() + "/empty");
  for (const char* name : {"", "/store", "/empty"}) {
    fs::permissions(directory_.path() + name, fs::perms(0555));
  }
  const auto before = Snapshot();
  const auto open_as_nobody = [&](const std::string& path) {
    if (::getuid() == 0 && ::setuid(65534) != 0) ::_exit(3);
    const absl::Status status = TryOpen(path);
    std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
    ::_exit(status.ok() ? 1 : 0);
  };
  EXPECT_EXIT(open_as_nobody(directory_.store()), ::testing::ExitedWithCode(0), "is not writable");
  EXPECT_EXIT(open_as_nobody(directory_.path() + "/empty"), ::testing::ExitedWithCode(0),
              "is not writable");
  EXPECT_EXIT(open_as_nobody(directory_.path() + "/new"), ::testing::ExitedWithCode(0),
              "cannot be created");
  EXPECT_EQ(Snapshot(), before);
  for (const char* name : {"/empty", "/store", ""}) {
    fs::permissions(directory_.path() + name, fs::perms(0755));
  }
}

}  // namespace
}  // namespace latchkey::storage
