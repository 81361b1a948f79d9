// What a crash leaves at the end of the log is cut off; what is damaged before it is refused.
#include "storage/rocksdb/log_check.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "storage/rocksdb/rocksdb_record_store.h"
#include "tests/storage/test_records.h"
#include "tests/support/temporary_directory.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

namespace latchkey::storage {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr int kCommits = 200;

class LogCheckTest : public ::testing::Test {
 protected:
  // Commits keys 000, 001, ..., notes where the log ended after each, and leaves as a crash would.
  void SetUp() override {
    // On a file system that writes nothing ahead, so that a log ends where its last record does.
    RocksDbStoreOptions options;
    options.environment = rocksdb::NewCompositeEnv(rocksdb::FileSystem::Default());
    auto store = RocksDbRecordStore::Open(directory_.store(), options);
    ASSERT_TRUE(store.ok()) << store.status();
    log_ = FindLog();
    Record record = MakeRecord(State::COMPLETED, 1);
    // The last one is longer than two of the log's blocks, so that its pages can be torn apart.
    for (int i = 0; i < kCommits; ++i) {
      record.mutable_result()->set_payload(std::string(i + 1 < kCommits ? 1000 : 70000, 'p'));
      const Write write = Put(std::to_string(1000 + i), record);
      ASSERT_TRUE((*store)->Commit({&write, 1}).ok());
      ends_.push_back(fs::file_size(log_));
    }
    store->reset();
    bytes_ = ReadLog();
    bytes_.resize(ends_.back());
  }

  fs::path FindLog() const {
    for (const auto& file : fs::directory_iterator(directory_.store() + "/db")) {
      if (file.path().extension() == ".log") return file.path();
    }
    return {};
  }
  std::string ReadLog() const {
    std::ifstream file(log_, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }

  // Opens a copy of the store whose log has these bytes. How many commits there are, or why it is
  // refused.
  absl::StatusOr<int> OpenWith(const std::string& log) const {
    TemporaryDirectory copy;
    fs::copy(directory_.store(), copy.store(), fs::copy_options::recursive);
    const fs::path copied = copy.store() + "/db/" + log_.filename().string();
    std::ofstream(copied, std::ios::binary) << log;
    auto store = RocksDbRecordStore::Open(copy.store(), {});
    if (!store.ok()) {
      std::ifstream after(copied, std::ios::binary);
      EXPECT_EQ(std::string(std::istreambuf_iterator<char>(after), {}), log) << "left as it was";
      return store.status();
    }
    const auto scanned = (*store)->Scan({.limit = 10 * kCommits});
    if (!scanned.ok()) return scanned.status();
    for (std::size_t i = 0; i < scanned->size(); ++i) {
      EXPECT_EQ((*scanned)[i].store_key, std::to_string(1000 + i)) << "a prefix, without holes";
    }
    return static_cast<int>(scanned->size());
  }

  TemporaryDirectory directory_;
  fs::path log_;
  std::vector<std::size_t> ends_;
  std::string bytes_;
};

TEST_F(LogCheckTest, WholeLogIsRecovered) {
  const auto commits = OpenWith(bytes_);
  ASSERT_TRUE(commits.ok()) << commits.status();
  EXPECT_EQ(*commits, kCommits);
}

TEST_F(LogCheckTest, LogThatIsCutOffIsRecoveredUpToThere) {
  for (const std::size_t before : {1, 6, 7, 8, 30, 500, 1017}) {
    const auto commits = OpenWith(bytes_.substr(0, ends_[99] - before));
    ASSERT_TRUE(commits.ok()) << commits.status();
    EXPECT_EQ(*commits, 99);
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{3}, ends_[0], ends_[50]}) {
    EXPECT_TRUE(OpenWith(bytes_.substr(0, size)).ok());
  }
}

TEST_F(LogCheckTest, LastRecordMayBeTornAnywhere) {
  const std::size_t last = ends_[kCommits - 2];
  for (std::size_t page = last / 4096; page * 4096 < bytes_.size(); ++page) {
    std::string torn = bytes_;
    const std::size_t from = std::max(page * 4096, last);
    const std::size_t to = std::min((page + 1) * 4096, torn.size());
    std::fill(torn.begin() + static_cast<std::ptrdiff_t>(from),
              torn.begin() + static_cast<std::ptrdiff_t>(to), '\0');
    const auto commits = OpenWith(torn);
    ASSERT_TRUE(commits.ok()) << "page " << page << ": " << commits.status();
    EXPECT_EQ(*commits, kCommits - 1);
  }
}

// What a log is written ahead with is its end, whole or torn, wherever in a block it begins.
TEST_F(LogCheckTest, ZerosAtTheEndAreNoRecords) {
  for (const std::size_t zeros : {1, 6, 7, 4096, 32768, 1 << 20}) {
    const auto whole = OpenWith(bytes_ + std::string(zeros, '\0'));
    ASSERT_TRUE(whole.ok()) << zeros << ": " << whole.status();
    EXPECT_EQ(*whole, kCommits);
    for (const std::size_t cut : {1, 7, 4096, 40'000}) {
      const std::string torn =
          bytes_.substr(0, bytes_.size() - cut) + std::string(zeros + cut, '\0');
      const auto commits = OpenWith(torn);
      ASSERT_TRUE(commits.ok()) << zeros << ", " << cut << ": " << commits.status();
      EXPECT_EQ(*commits, kCommits - 1);
    }
    for (const std::size_t end : {ends_[0], ends_[30], ends_[99]}) {
      const auto commits = OpenWith(bytes_.substr(0, end) + std::string(zeros, '\0'));
      ASSERT_TRUE(commits.ok()) << zeros << " behind " << end << ": " << commits.status();
      EXPECT_EQ(ends_[static_cast<std::size_t>(*commits) - 1], end);
    }
  }
}

TEST_F(LogCheckTest, DamageBeforeTheLastRecordIsRefused) {
  for (const int commit : {0, 1, 57, 123, kCommits - 2}) {
    const std::size_t begin = commit == 0 ? 0 : ends_[commit - 1];
    for (const std::size_t offset : {0, 3, 4, 5, 6, 7, 400}) {
      std::string damaged = bytes_;
      damaged[begin + offset] ^= '\x10';
      const absl::Status status = OpenWith(damaged).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << commit << "+" << offset;
      EXPECT_THAT(std::string(status.message()), HasSubstr("restore it from a backup"));
    }
    std::string hole = bytes_;
    std::fill_n(hole.begin() + static_cast<std::ptrdiff_t>(begin), 512, '\0');
    EXPECT_EQ(OpenWith(hole).status().code(), absl::StatusCode::kDataLoss) << commit;
  }
}

}  // namespace
}  // namespace latchkey::storage
