// Backups of the RocksDB store, and what is restored from them.
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "storage/restored_state.h"
#include "storage/rocksdb/restore.h"
#include "storage/rocksdb/rocksdb_record_store.h"
#include "tests/storage/test_records.h"
#include "tests/support/temporary_directory.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey::storage {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

void Write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class BackupTest : public ::testing::Test {
 protected:
  BackupTest() { Open(); }
  ~BackupTest() override { EXPECT_TRUE(store_->Close().ok()); }

  void Open() {
    auto opened = RocksDbRecordStore::Open(directory_.store(), {});
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }
  std::uint64_t Grant(RecordStore& store, const std::string& key) {
    const auto write = storage::Grant(MakeStoreKey("default", key), held_);
    const auto results = store.Commit({&write, 1});
    EXPECT_TRUE(results.ok()) << results.status();
    return results->front().token;
  }
  void Complete(const std::string& key, std::string payload = "body") {
    Record record = MakeRecord(State::COMPLETED, 1, "done");
    record.mutable_result()->set_payload(std::move(payload));
    const auto write = Put(MakeStoreKey("default", key), record);
    ASSERT_TRUE(store_->Commit({&write, 1}).ok());
  }
  absl::StatusOr<BackupMade> TryBackUp(std::uint32_t keep_newest = 0) {
    return store_->CreateBackup({.directory = backups_, .keep_newest = keep_newest});
  }
  BackupMade BackUp(std::uint32_t keep_newest = 0) {
    const auto made = TryBackUp(keep_newest);
    EXPECT_TRUE(made.ok()) << made.status();
    return made.value_or(BackupMade());
  }
  RestoreOrder Order() {
    return {.backups = backups_, .to = directory_ / "restored", .id = {}, .now = Now()};
  }
  // A day after everything that the test has done by the machine's clock.
  static WallTime Now() {
    return WallTime(std::chrono::system_clock::now().time_since_epoch() + std::chrono::hours(24));
  }
  std::unique_ptr<RocksDbRecordStore> OpenRestored() {
    auto opened = RocksDbRecordStore::Open(directory_ / "restored", {});
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? *std::move(opened) : nullptr;
  }
  static std::vector<std::string> Keys(RecordStore& store) {
    std::vector<std::string> keys;
    const auto all = *store.Scan({.limit = 1'000'000});
    for (const Scanned& scanned : all) {
      keys.emplace_back(SplitStoreKey(scanned.store_key).key);
    }
    return keys;
  }
  // Refused with one line, and nothing is left behind.
  void ExpectRefused(const RestoreOrder& order, const std::string& why) {
    std::vector<std::string> before = Children();
    const auto restored = RestoreBackup(order);
    ASSERT_FALSE(restored.ok());
    EXPECT_THAT(std::string(restored.status().message()), HasSubstr(why));
    EXPECT_THAT(std::string(restored.status().message()), Not(HasSubstr("\n")));
    EXPECT_EQ(Children(), before);
  }
  std::vector<std::string> Children() {
    std::vector<std::string> children;
    for (const auto& child : fs::directory_iterator(directory_.path())) {
      children.push_back(child.path().filename());
    }
    std::ranges::sort(children);
    return children;
  }
  // What cannot be compressed.
  static std::string Noise(std::size_t bytes) {
    std::string noise;
    for (std::uint32_t x = 1; noise.size() < bytes;) {
      x = x * 1664525 + 1013904223;
      noise.push_back(static_cast<char>(x >> 24 & 0x7f));
    }
    return noise;
  }
  // A file of the newest backup that is shared among backups.
  std::string SharedFile() {
    fs::path largest;
    for (const auto& child : fs::directory_iterator(backups_ + "/shared_checksum")) {
      if (largest.empty() || fs::file_size(child) > fs::file_size(largest)) largest = child.path();
    }
    return largest;
  }

  const Record held_ = MakeRecord(State::HELD, 0, "holder");
  TemporaryDirectory directory_;
  const std::string backups_ = directory_ / "backups";
  std::unique_ptr<RocksDbRecordStore> store_;
};

TEST_F(BackupTest, ARestoredStoreHasWhatWasCommittedBeforeTheBackup) {
  Complete("a");
  const std::uint64_t token = Grant(*store_, "b");
  const BackupMade made = BackUp();
  EXPECT_EQ(made.id, 1u);
  EXPECT_EQ(made.backups, 1u);
  EXPECT_EQ(made.fencing_token, token);
  EXPECT_EQ(made.records_estimate, 2u);
  EXPECT_GT(made.size_bytes, 0u);
  EXPECT_GE(made.copied_bytes, made.size_bytes);
  Complete("c");

  const auto restored = RestoreBackup(Order());
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(restored->id, 1u);
  const auto store = OpenRestored();
  EXPECT_THAT(Keys(*store), ElementsAre("a", "b"));
  EXPECT_TRUE(store->Close().ok());
  EXPECT_FALSE(fs::exists(directory_ / "restored.new"));
}

TEST_F(BackupTest, TokensMoveOnHoweverOftenOneBackupIsRestored) {
  Grant(*store_, "a");
  BackUp();
  std::uint64_t highest = Grant(*store_, "b");
  RestoreOrder order = Order();
  for (int times = 0; times < 3; ++times) {
    const auto restored = RestoreBackup(order);
    ASSERT_TRUE(restored.ok()) << restored.status();
    EXPECT_GE(restored->token_now, RestoreFloor(order.now));
    EXPECT_GE(restored->token_now, restored->token_before);
    const auto store = OpenRestored();
    EXPECT_EQ(store->HighestToken(), restored->token_now);
    for (const char* key : {"x", "y"}) {
      const std::uint64_t token = Grant(*store, key);
      EXPECT_GT(token, highest);
      highest = token;
    }
    EXPECT_TRUE(store->Close().ok());
    fs::remove_all(directory_ / "restored");
    order.now += std::chrono::milliseconds(1);
  }
}

TEST_F(BackupTest, TokensThatOutranTheClockMoveOnToo) {
  ASSERT_TRUE(store_->RaiseTokens(2 * RestoreFloor(Now())).ok());
  BackUp();
  RestoreOrder order = Order();
  const auto once = RestoreBackup(order);
  ASSERT_TRUE(once.ok()) << once.status();
  fs::remove_all(order.to);
  order.now += std::chrono::milliseconds(1);
  const auto twice = RestoreBackup(order);
  ASSERT_TRUE(twice.ok()) << twice.status();
  EXPECT_GT(once->token_now, once->token_before);
  EXPECT_GE(twice->token_now, once->token_now + (1 << 20));
  fs::remove_all(order.to);
  order.token_floor = twice->token_now + 5;
  EXPECT_EQ(RestoreBackup(order)->token_now, order.token_floor);
}

TEST_F(BackupTest, ARestoreOpensTheDoubt) {
  StoreState state;
  state.set_retention_clock_nanos(1'000);
  ASSERT_TRUE(store_->SaveState(state).ok());
  BackUp();
  const RestoreOrder order = Order();
  const auto restored = RestoreBackup(order);
  ASSERT_TRUE(restored.ok()) << restored.status();
  const auto store = OpenRestored();
  state = *store->LoadState();
  EXPECT_EQ(state.restored_at_nanos(), ToNanos(order.now));
  EXPECT_EQ(state.unknown_since_nanos(), 1'000);
  EXPECT_EQ(state.restore_fencing_token(), restored->token_now);
  EXPECT_EQ(state.watch_revision(), RestoreFloor(order.now));
  EXPECT_TRUE(store->Close().ok());
}

TEST_F(BackupTest, ADoubtThatWasOpenReachesBackToItsOwnBeginning) {
  StoreState state;
  state.set_retention_clock_nanos(1'000);
  OpenRestoreDoubt(WallTimeFromNanos(2'000), 7, state);
  state.set_retention_clock_nanos(3'000);
  OpenRestoreDoubt(WallTimeFromNanos(4'000), 6, state);
  EXPECT_EQ(state.unknown_since_nanos(), 1'000);
  EXPECT_EQ(state.restored_at_nanos(), 4'000);
  EXPECT_EQ(state.restore_fencing_token(), 7u);
}

TEST_F(BackupTest, WhatABackupSharesWithAnEarlierOneIsNotCopiedAgain) {
  Complete("large", Noise(300'000));
  const BackupMade first = BackUp();
  Complete("small");
  const BackupMade second = BackUp();
  EXPECT_EQ(second.id, 2u);
  EXPECT_EQ(second.backups, 2u);
  EXPECT_GT(second.size_bytes, 100'000u);
  EXPECT_LT(second.copied_bytes, first.copied_bytes / 4);
  const auto listed = ListBackups(backups_);
  ASSERT_TRUE(listed.ok()) << listed.status();
  EXPECT_EQ(listed->size(), 2u);

  RestoreOrder order = Order();
  order.id = 1;
  ASSERT_TRUE(RestoreBackup(order).ok());
  const auto store = OpenRestored();
  EXPECT_THAT(Keys(*store), ElementsAre("large"));
  EXPECT_TRUE(store->Close().ok());
}

TEST_F(BackupTest, OnlyTheNewestAreKeptIfThatIsAsked) {
  for (const char* key : {"a", "b", "c"}) {
    Complete(key);
    BackUp();
  }
  Complete("d");
  EXPECT_EQ(BackUp(/*keep_newest=*/2).backups, 2u);
  std::vector<std::uint64_t> ids;
  const auto listed = *ListBackups(backups_);
  for (const BackupListed& each : listed) ids.push_back(each.id);
  EXPECT_THAT(ids, ElementsAre(3u, 4u));
}

TEST_F(BackupTest, EveryBackupIsOfOneMomentAlthoughCommitsGoOn) {
  // Each step completes one key and holds the next, in one commit: so one is held, whenever it is
  // looked at, and all below it are completed.
  std::atomic<bool> stop = false;
  std::atomic<int> steps = 0;
  std::thread writer([&] {
    const Record done = MakeRecord(State::COMPLETED, 1);
    const auto key = [](int number) {
      return MakeStoreKey("default", std::to_string(1'000'000 + number));
    };
    Revision revision = 0;
    for (int i = 0; !stop.load(); ++i, ++steps) {
      std::vector<storage::Write> writes = {storage::Grant(key(i + 1), held_)};
      if (i > 0) writes.push_back(Put(key(i), done, revision));
      const auto results = store_->Commit(writes);
      ASSERT_TRUE(results.ok());
      revision = results->front().revision;
    }
  });
  const auto await = [&](int count) {
    while (steps.load() < count) std::this_thread::yield();
  };
  for (std::uint64_t backup = 1; backup <= 5; ++backup) {
    await(steps.load() + 200);
    const int before = steps.load();
    BackUp();
    RestoreOrder order = Order();
    order.id = backup;
    ASSERT_TRUE(RestoreBackup(order).ok());
    const auto store = OpenRestored();
    const auto live = *store->Scan({.limit = 1'000'000, .live_only = true});
    const auto all = *store->Scan({.limit = 1'000'000});
    ASSERT_EQ(live.size(), 1u);
    EXPECT_EQ(live.front().store_key, all.back().store_key);
    EXPECT_EQ(SplitStoreKey(all.back().store_key).key, std::to_string(1'000'000 + all.size()));
    EXPECT_GE(static_cast<int>(all.size()), before) << "what was acknowledged is missing";
    EXPECT_TRUE(store->Close().ok());
    fs::remove_all(order.to);
  }
  stop = true;
  writer.join();
}

TEST_F(BackupTest, ABackupThatIsStoppedLeavesNothing) {
  Complete("large", Noise(2'000'000));
  const auto made =
      store_->CreateBackup({.directory = backups_, .keep_newest = 0, .stop = [] { return true; }});
  EXPECT_TRUE(absl::IsCancelled(made.status())) << made.status();
  EXPECT_THAT(*ListBackups(backups_), IsEmpty());
}

TEST_F(BackupTest, ADirectoryThatIsNotForBackupsIsLeftAlone) {
  fs::create_directory(backups_);
  Write(backups_ + "/precious", "text");
  const auto made = TryBackUp();
  EXPECT_THAT(std::string(made.status().message()), HasSubstr("holds something else"));
  EXPECT_EQ(std::distance(fs::directory_iterator(backups_), {}), 1);
  EXPECT_TRUE(store_->LoadState().ok()) << "the store has not failed by it";
}

TEST_F(BackupTest, BackupsDoNotGoIntoTheStore) {
  for (const std::string& inside : {directory_.store(), directory_.store() + "/backups"}) {
    const auto made = store_->CreateBackup({.directory = inside});
    EXPECT_THAT(std::string(made.status().message()), HasSubstr("within each other"));
  }
  EXPECT_THAT(
      std::string(store_->CreateBackup({.directory = directory_.path()}).status().message()),
      HasSubstr("within each other"));
  EXPECT_FALSE(fs::exists(directory_.store() + "/backups"));
}

TEST_F(BackupTest, AParentThatIsMissingIsSaid) {
  const auto made = store_->CreateBackup({.directory = directory_ / "no/such"});
  EXPECT_THAT(std::string(made.status().message()), HasSubstr("cannot be created"));
}

TEST_F(BackupTest, ADirectoryOfAnotherVersionIsRefused) {
  Complete("a");
  BackUp();
  Write(backups_ + "/LATCHKEY_BACKUPS", "latchkey backups, format 2\n");
  EXPECT_THAT(std::string(TryBackUp().status().message()),
              HasSubstr("format version 2, this build reads version 1"));
  ExpectRefused(Order(), "format version 2, this build reads version 1");
  Write(backups_ + "/LATCHKEY_BACKUPS", "something\n");
  ExpectRefused(Order(), "that Latchkey did not write");
}

TEST_F(BackupTest, ABackupOfAStoreOfAnotherVersionIsRefused) {
  Complete("a");
  BackUp();
  // The version stands in the list of files, in hexadecimal digits.
  const std::string meta = backups_ + "/meta/1";
  const auto hex = [](const std::string& text) {
    std::string digits;
    for (const unsigned char byte : text) {
      digits += "0123456789ABCDEF"[byte / 16];
      digits += "0123456789ABCDEF"[byte % 16];
    }
    return digits;
  };
  std::string text = ReadAll(meta);
  const auto place = text.find(hex("format 1"));
  ASSERT_NE(place, std::string::npos) << text;
  Write(meta, text.replace(place, hex("format 1").size(), hex("format 9")));
  ExpectRefused(Order(), "format version 9, this build reads version 1");
}

TEST_F(BackupTest, NothingIsRestoredOverWhatIsThere) {
  Complete("a");
  BackUp();
  RestoreOrder order = Order();
  order.to = directory_.store();
  ExpectRefused(order, "holds a Latchkey store already");
  order.to = directory_ / "full";
  fs::create_directory(order.to);
  Write(order.to + "/file", "");
  ExpectRefused(order, "is not empty");
  order.to = directory_ / "file";
  Write(order.to, "");
  ExpectRefused(order, "is not a directory");
  order.to = directory_ / "no/such";
  ExpectRefused(order, "there is no directory");
  order.to = "";
  ExpectRefused(order, "has no name");
  fs::create_directory(directory_ / "restored.new");
  ExpectRefused(Order(), "was cut off");
  EXPECT_THAT(Keys(*store_), ElementsAre("a"));
}

TEST_F(BackupTest, AnEmptyDirectoryIsTakenTheEndOfItsPathIsNoMatter) {
  Complete("a");
  BackUp();
  fs::create_directory(directory_ / "restored");
  RestoreOrder order = Order();
  order.to += "/";
  ASSERT_TRUE(RestoreBackup(order).ok());
  const auto store = OpenRestored();
  EXPECT_THAT(Keys(*store), ElementsAre("a"));
  EXPECT_TRUE(store->Close().ok());
}

TEST_F(BackupTest, WhatIsNotThereIsNamed) {
  ExpectRefused(Order(), "there is no backup directory");
  fs::create_directory(backups_);
  ExpectRefused(Order(), "no backups of Latchkey");
  Complete("a");
  BackUp();
  RestoreOrder order = Order();
  order.id = 7;
  ExpectRefused(order, "there is no backup 7 in " + backups_ + "; there are: 1");
  order = Order();
  order.now = WallTime();
  ExpectRefused(order, "set the clock right first");
}

TEST_F(BackupTest, AMissingFileIsFound) {
  Complete("a");
  BackUp();
  fs::remove(SharedFile());
  ExpectRefused(Order(), "backup 1 in " + backups_ + " is damaged");
}

TEST_F(BackupTest, OneWrongByteIsFound) {
  Complete("a", std::string(10'000, 'x'));
  BackUp();
  const std::string file = SharedFile();
  std::string bytes = ReadAll(file);
  bytes[bytes.size() / 2] ^= 1;
  Write(file, bytes);
  ExpectRefused(Order(), "is damaged");
  const auto again = TryBackUp();
  EXPECT_THAT(std::string(again.status().message()), HasSubstr("verifying what was written"))
      << again.status();
  EXPECT_TRUE(store_->LoadState().ok()) << "the store has not failed by it";
}

TEST_F(BackupTest, ADamagedListIsNotSteppedOverToAnOlderBackup) {
  Complete("a");
  BackUp();
  BackUp();
  Write(backups_ + "/meta/2", "nonsense");
  ExpectRefused(Order(), "backup 2 in " + backups_ + " is damaged");
  RestoreOrder order = Order();
  order.id = 1;
  EXPECT_TRUE(RestoreBackup(order).ok());
}

}  // namespace
}  // namespace latchkey::storage
