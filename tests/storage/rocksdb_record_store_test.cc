// What only the RocksDB store promises: tokens across restarts, the latch, damage, retention.
#include "storage/rocksdb/rocksdb_record_store.h"

#include <filesystem>
#include <fstream>
#include <limits>

#include "tests/storage/lost_write_file_system.h"
#include "tests/storage/test_records.h"
#include "tests/support/temporary_directory.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/perf_context.h>

namespace latchkey::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Operation = LostWriteFileSystem::Operation;

class RocksDbRecordStoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<RocksDbRecordStore> Open(RocksDbStoreOptions options = {}) {
    auto opened = RocksDbRecordStore::Open(directory_.store(), std::move(options));
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? *std::move(opened) : nullptr;
  }

  static void Close(std::unique_ptr<RocksDbRecordStore> store) { EXPECT_TRUE(store->Close().ok()); }

  static WriteResult Commit(RecordStore& store, const Write& write) {
    auto results = store.Commit({&write, 1});
    EXPECT_TRUE(results.ok()) << results.status();
    return results.ok() ? results->front() : WriteResult();
  }
  static Loaded Load(RecordStore& store, const std::string& store_key) {
    auto loaded = store.Load({&store_key, 1});
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    return loaded.ok() ? loaded->front() : Loaded();
  }
  static std::vector<std::string> Keys(RecordStore& store) {
    const auto all = store.Scan({.limit = 1000});
    EXPECT_TRUE(all.ok()) << all.status();
    std::vector<std::string> keys;
    for (const Scanned& scanned : *all) keys.push_back(scanned.store_key);
    return keys;
  }

  // Puts bytes into a family behind the back of the store, which must be closed.
  void PutRaw(const std::string& family, const std::string& key, const std::string& value) {
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* database = nullptr;
    const rocksdb::Status opened = rocksdb::DB::Open(
        rocksdb::DBOptions(), directory_.store() + "/db",
        {{rocksdb::kDefaultColumnFamilyName, {}}, {"live", {}}, {"done", {}}}, &handles, &database);
    ASSERT_TRUE(opened.ok()) << opened.ToString();
    for (rocksdb::ColumnFamilyHandle* handle : handles) {
      if (handle->GetName() == family) {
        ASSERT_TRUE(database->Put({}, handle, key, value).ok());
      }
      ASSERT_TRUE(database->DestroyColumnFamilyHandle(handle).ok());
    }
    delete database;
  }

  const Record held_ = MakeRecord(State::HELD, 1, "held");
  const Record done_ = MakeRecord(State::COMPLETED, 1, "done");
  TemporaryDirectory directory_;
};

TEST_F(RocksDbRecordStoreTest, CleanRestartWastesNoToken) {
  for (std::uint64_t token = 1; token <= 3; ++token) {
    auto store = Open();
    EXPECT_EQ(store->HighestToken(), token - 1);
    EXPECT_EQ(Commit(*store, Grant("key" + std::to_string(token), held_)).token, token);
    Close(std::move(store));
  }
}

TEST_F(RocksDbRecordStoreTest, CrashGoesOnAfterTheBlock) {
  const RocksDbStoreOptions options = {.token_block_size = 10};
  auto store = Open(options);
  EXPECT_EQ(Commit(*store, Grant("a", held_)).token, 1u);
  store.reset();
  store = Open(options);
  EXPECT_EQ(store->HighestToken(), 10u);
  EXPECT_EQ(Commit(*store, Grant("b", held_)).token, 11u);
  store.reset();
  store = Open(options);
  EXPECT_EQ(store->HighestToken(), 20u);
  Close(std::move(store));
  store = Open(options);
  EXPECT_EQ(store->HighestToken(), 20u) << "nothing was given";
}

TEST_F(RocksDbRecordStoreTest, TokensRiseAcrossBlocks) {
  auto store = Open({.token_block_size = 3});
  std::uint64_t last = 0;
  for (int i = 0; i < 20; ++i) {
    std::vector<Write> writes;
    for (int key = 0; key <= i % 5; ++key) {
      writes.push_back(Grant(std::to_string(i) + "/" + std::to_string(key), held_));
    }
    const auto results = store->Commit(writes);
    ASSERT_TRUE(results.ok());
    for (const WriteResult& result : *results)
      EXPECT_GT(result.token, std::exchange(last, result.token));
  }
  EXPECT_EQ(store->HighestToken(), last);
}

TEST(TokenAllocatorTest, StoresALimitBeforeAnyTokenOfTheBlock) {
  std::vector<std::uint64_t> stored;
  TokenAllocator tokens(100, 10, [&](std::uint64_t limit) {
    stored.push_back(limit);
    return absl::OkStatus();
  });
  EXPECT_EQ(tokens.highest(), 100u);
  EXPECT_THAT(stored, ElementsAre());
  EXPECT_EQ(*tokens.Take(4), 101u);
  EXPECT_EQ(*tokens.Take(6), 105u);
  EXPECT_THAT(stored, ElementsAre(110));
  EXPECT_EQ(*tokens.Take(25), 111u);
  EXPECT_THAT(stored, ElementsAre(110, 135));
  ASSERT_TRUE(tokens.Finish().ok());
  EXPECT_THAT(stored, ElementsAre(110, 135)) << "the limit is exact already";
  EXPECT_EQ(*tokens.Take(1), 136u);
  ASSERT_TRUE(tokens.Finish().ok());
  EXPECT_THAT(stored, ElementsAre(110, 135, 145, 136));
}

TEST(TokenAllocatorTest, GivesNothingThatCouldNotBeStored) {
  TokenAllocator tokens(0, 10, [](std::uint64_t) { return absl::UnavailableError("full"); });
  EXPECT_FALSE(tokens.Take(1).ok());
  EXPECT_EQ(tokens.highest(), 0u);
}

TEST(TokenAllocatorTest, DoesNotWrapRound) {
  TokenAllocator tokens(std::numeric_limits<std::uint64_t>::max() - 5, 10,
                        [](std::uint64_t) { return absl::OkStatus(); });
  EXPECT_EQ(tokens.Take(1).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(RocksDbRecordStoreTest, MovedRecordIsInOnePlaceOnly) {
  auto store = Open();
  Revision revision = Commit(*store, Put("key", held_)).revision;
  revision = Commit(*store, Put("key", done_, revision)).revision;
  EXPECT_EQ(store->Scan({})->size(), 1u);
  EXPECT_EQ(store->Scan({.live_only = true})->size(), 0u);
  revision = Commit(*store, Put("key", held_, revision)).revision;
  EXPECT_EQ(store->Scan({})->size(), 1u);
  Commit(*store, Erase("key", revision));
  EXPECT_EQ(store->Scan({})->size(), 0u);
}

TEST_F(RocksDbRecordStoreTest, NewKeyCostsNoReadOfTheDisk) {
  auto store = Open();
  std::vector<Write> writes;
  for (int i = 0; i < 20000; ++i) writes.push_back(Put("old" + std::to_string(i), done_));
  ASSERT_TRUE(store->Commit(writes).ok());
  ASSERT_TRUE(store->Compact().ok());
  Load(*store, "old0");
  rocksdb::get_perf_context()->Reset();
  constexpr int kNewKeys = 1000;
  for (int i = 0; i < kNewKeys; ++i) {
    EXPECT_FALSE(Load(*store, "old" + std::to_string(i) + "x").record.has_value());
  }
  EXPECT_LT(rocksdb::get_perf_context()->block_read_count, kNewKeys / 20);
}

TEST_F(RocksDbRecordStoreTest, TellsTheFreeSpace) {
  auto store = Open();
  const auto space = store->FreeSpace();
  ASSERT_TRUE(space.has_value());
  EXPECT_GT(space->total_bytes, space->free_bytes);
}

TEST_F(RocksDbRecordStoreTest, CompactionDropsWhatIsForgottenAndNeverWhatIsLive) {
  const RocksDbStoreOptions options = {
      .expire = [](std::string_view store_key, const Record& record) {
        EXPECT_FALSE(IsLive(record));
        return store_key.starts_with("old") ? Expired::kAll : Expired::kNothing;
      }};
  Close(Open(options));
  PutRaw("done", "old/garbage", "\x01garbage");
  auto store = Open(options);
  const Record absent = MakeRecord(State::ABSENT);
  const Record doubt = MakeRecord(State::IN_DOUBT, 1);
  const std::vector<Write> writes = {Put("old/completed", done_), Put("old/absent", absent),
                                     Put("old/held", held_), Put("old/doubt", doubt),
                                     Put("new/completed", done_)};
  ASSERT_TRUE(store->Commit(writes).ok());
  ASSERT_TRUE(store->Compact().ok());
  EXPECT_THAT(Keys(*store), ElementsAre("new/completed", "old/doubt", "old/garbage", "old/held"));
}

TEST_F(RocksDbRecordStoreTest, CompactionStoresWhatIsLeftOfARecord) {
  auto store = Open({.expire = [](std::string_view store_key, Record& record) {
    if (store_key != "old") return Expired::kNothing;
    record.mutable_result()->clear_payload();
    return Expired::kPart;
  }});
  Record full = done_;
  full.mutable_result()->set_payload("body");
  const WriteResult old = Commit(*store, Put("old", full));
  Commit(*store, Put("new", full));
  ASSERT_TRUE(store->Compact().ok());
  EXPECT_EQ(Load(*store, "new").record->result().payload(), "body");
  const Loaded left = Load(*store, "old");
  ASSERT_TRUE(left.record.has_value());
  EXPECT_EQ(left.record->result().payload(), "");
  EXPECT_EQ(left.record->fencing_token(), full.fencing_token());
  EXPECT_EQ(left.revision, old.revision);
  Commit(*store, Erase("old", old.revision));
  EXPECT_EQ(Load(*store, "old").revision, 0u) << "a write that was decided before finds its record";
}

TEST_F(RocksDbRecordStoreTest, UndecodableRecordConcernsItsKeyOnly) {
  Close(Open());
  PutRaw("live", "a", "\x01garbage");
  PutRaw("done", "b", "\x02 a version of tomorrow");
  PutRaw("done", "c", "");
  auto store = Open();
  Commit(*store, Put("d", held_));
  for (const std::string key : {"a", "b", "c"}) {
    const Loaded loaded = Load(*store, key);
    EXPECT_TRUE(loaded.corrupt);
    EXPECT_NE(loaded.revision, 0u);
    EXPECT_FALSE(loaded.record.has_value());
  }
  EXPECT_EQ(Load(*store, "d").record->holder_id(), "held");
  const auto scanned = store->Scan({});
  ASSERT_TRUE(scanned.ok());
  ASSERT_EQ(scanned->size(), 4u);
  EXPECT_TRUE((*scanned)[0].loaded.corrupt);
  EXPECT_FALSE((*scanned)[3].loaded.corrupt);
  Commit(*store, Erase("a", Load(*store, "a").revision));
  EXPECT_FALSE(Load(*store, "a").corrupt);
}

// Flips a byte in the middle of every table.
void DamageTables(const std::string& database) {
  int tables = 0;
  for (const auto& file : std::filesystem::directory_iterator(database)) {
    if (file.path().extension() != ".sst" || file.file_size() < 100000) continue;
    std::fstream table(file.path(), std::ios::binary | std::ios::in | std::ios::out);
    const auto middle = static_cast<std::streamoff>(file.file_size() / 2);
    table.seekg(middle);
    const char byte = static_cast<char>(table.get());
    table.seekp(middle);
    table.put(static_cast<char>(byte ^ 1));
    ++tables;
  }
  ASSERT_GT(tables, 0);
}

TEST_F(RocksDbRecordStoreTest, DamagedBlockIsNoFailureOfTheStore) {
  auto store = Open();
  Record record = done_;
  std::vector<Write> writes;
  record.mutable_result()->set_payload(std::string(500, 'p'));
  for (int i = 0; i < 20000; ++i) writes.push_back(Put(std::to_string(100000 + i), record));
  ASSERT_TRUE(store->Commit(writes).ok());
  ASSERT_TRUE(store->Compact().ok());
  Close(std::move(store));
  ASSERT_NO_FATAL_FAILURE(DamageTables(directory_.store() + "/db"));

  store = Open();
  int corrupt = 0;
  for (const Write& write : writes) {
    const Loaded loaded = Load(*store, write.store_key);
    ASSERT_NE(loaded.corrupt, loaded.record.has_value()) << "a damaged record is never absent";
    corrupt += loaded.corrupt ? 1 : 0;
  }
  EXPECT_GT(corrupt, 0);
  EXPECT_LT(corrupt, 1000);
  EXPECT_EQ(store->Scan({.limit = 100000}).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(store->Scan({.live_only = true}).ok());
  Commit(*store, Put("new", held_));
}

class FailureTest : public RocksDbRecordStoreTest {
 protected:
  std::unique_ptr<RocksDbRecordStore> OpenOnFiles() {
    return Open({.write_buffer_bytes = std::size_t{64} << 10,
                 .environment = MakeLostWriteEnvironment(files_)});
  }

  void ExpectFailed(RecordStore& store) {
    const std::string key = "a";
    const absl::Status answers[] = {store.Load({&key, 1}).status(), store.Commit({}).status(),
                                    store.Scan({}).status(), store.SaveState({}),
                                    store.LoadState().status()};
    for (const absl::Status& answer : answers) {
      EXPECT_EQ(answer.code(), absl::StatusCode::kUnavailable) << answer;
      EXPECT_THAT(std::string(answer.message()), HasSubstr("restart the process"));
      EXPECT_THAT(std::string(answer.message()), HasSubstr("No space"));
    }
    EXPECT_EQ(store.Close().code(), absl::StatusCode::kUnavailable);
  }

  const rocksdb::IOStatus full_ = rocksdb::IOStatus::NoSpace("No space left on device");
  std::shared_ptr<LostWriteFileSystem> files_ = std::make_shared<LostWriteFileSystem>();
};

TEST_F(FailureTest, FailedWriteOrSyncIsForGood) {
  for (const Operation operation : {Operation::kAppend, Operation::kSync}) {
    auto store = OpenOnFiles();
    const std::string before = "before" + std::to_string(static_cast<int>(operation));
    const std::string after = "after" + std::to_string(static_cast<int>(operation));
    const Write first = Put(before, held_);
    const Write second = Put(after, held_);
    Commit(*store, first);
    files_->FailAt(operation, 1, full_);
    // There is room again at once, but that must not be noticed.
    EXPECT_EQ(store->Commit({&second, 1}).status().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(store->Commit({&second, 1}).status().code(), absl::StatusCode::kUnavailable);
    ExpectFailed(*store);
    store.reset();
    std::mt19937_64 random(1);
    files_->LoseUnsynced(random);
    store = OpenOnFiles();
    EXPECT_TRUE(Load(*store, before).record.has_value());
    store.reset();
  }
}

TEST_F(FailureTest, FailedReservationOfTokensIsForGood) {
  auto store = OpenOnFiles();
  files_->FailAt(Operation::kSync, 1, full_);
  const Write grant = Grant("a", held_);
  EXPECT_FALSE(store->Commit({&grant, 1}).ok());
  EXPECT_EQ(store->HighestToken(), 0u);
  ExpectFailed(*store);
}

TEST_F(FailureTest, FailedFlushIsForGood) {
  auto store = OpenOnFiles();
  Record record = done_;
  record.mutable_result()->set_payload(std::string(10000, 'p'));
  files_->FailAt(Operation::kCreate, 1, full_);
  absl::Status status;
  for (int i = 0; i < 1000 && status.ok(); ++i) {
    const Write write = Put("key" + std::to_string(i), record);
    status = store->Commit({&write, 1}).status();
  }
  ExpectFailed(*store);
}

TEST_F(FailureTest, StoreThatCannotBeMadeIsRefusedAndCanBeMadeLater) {
  files_->FailAt(Operation::kSync, 3, full_);
  const RocksDbStoreOptions options = {.environment = MakeLostWriteEnvironment(files_)};
  const auto refused = RocksDbRecordStore::Open(directory_.store(), options);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("No space"));
  auto store = OpenOnFiles();
  Commit(*store, Put("a", held_));
}

}  // namespace
}  // namespace latchkey::storage
