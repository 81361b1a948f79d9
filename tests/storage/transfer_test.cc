// Export to text and import, over both kinds of store.
#include "storage/transfer.h"

#include <sstream>

#include "storage/memory_record_store.h"
#include "storage/restored_state.h"
#include "storage/rocksdb/rocksdb_record_store.h"
#include "tests/storage/test_records.h"
#include "tests/support/temporary_directory.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey::storage {
namespace {

using ::testing::HasSubstr;

constexpr WallTime kExportedAt{std::chrono::hours(24 * 365 * 56)};
constexpr WallTime kNow = kExportedAt + std::chrono::hours(1);

class TransferTest : public ::testing::Test {
 protected:
  TransferTest() {
    for (int i = 0; i < 1'234; ++i) {
      Record record = MakeRecord(i % 3 == 0   ? State::HELD
                                 : i % 3 == 1 ? State::IN_DOUBT
                                              : State::COMPLETED,
                                 0, "holder");
      record.set_checkpoint(std::string("\0\xff\x80 bytes", 9));
      record.set_fingerprint("\"quoted\"\n");
      record.set_promised_lease_nanos(5'000'000'000);
      const auto key =
          MakeStoreKey(i % 2 == 0 ? "default" : "shop/charge", "key" + std::to_string(i));
      const auto write = Grant(key, record);
      EXPECT_TRUE(source_.Commit({&write, 1}).ok());
    }
    StoreState state;
    state.set_retention_clock_nanos(ToNanos(kExportedAt));
    (*state.mutable_horizon_nanos())["default"] = 17;
    EXPECT_TRUE(source_.SaveState(state).ok());
  }

  std::string Export(RecordStore& store) {
    std::ostringstream out;
    const auto exported = ExportRecords(store, kExportedAt, out);
    EXPECT_TRUE(exported.ok()) << exported.status();
    return out.str();
  }
  static absl::StatusOr<Imported> Import(const std::string& text, RecordStore& store,
                                         bool moved = false) {
    std::istringstream in(text);
    return ImportRecords(in, {.now = kNow, .moved = moved}, store);
  }
  void ExpectRefused(const std::string& text, const std::string& why) {
    MemoryRecordStore store;
    const auto imported = Import(text, store);
    ASSERT_FALSE(imported.ok()) << why;
    EXPECT_THAT(std::string(imported.status().message()), HasSubstr(why));
  }

  MemoryRecordStore source_;
  TemporaryDirectory directory_;
};

TEST_F(TransferTest, WhatIsImportedIsWhatWasExported) {
  const std::string text = Export(source_);
  auto opened = RocksDbRecordStore::Open(directory_.store(), {});
  ASSERT_TRUE(opened.ok()) << opened.status();
  RocksDbRecordStore& store = **opened;
  const auto imported = Import(text, store, /*moved=*/true);
  ASSERT_TRUE(imported.ok()) << imported.status();
  EXPECT_EQ(imported->records, 1'234u);
  EXPECT_EQ(imported->token_now, source_.HighestToken());
  const auto before = *source_.Scan({.limit = 10'000});
  const auto after = *store.Scan({.limit = 10'000});
  ASSERT_EQ(before.size(), after.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(before[i].store_key, after[i].store_key);
    EXPECT_EQ(before[i].loaded.record->SerializeAsString(),
              after[i].loaded.record->SerializeAsString());
  }
  EXPECT_EQ(store.LoadState()->SerializeAsString(), source_.LoadState()->SerializeAsString());
  EXPECT_EQ(Export(store), text) << "and back again";
  EXPECT_TRUE(store.Close().ok());
}

TEST_F(TransferTest, TokensNeverGoBack) {
  const std::string text = Export(source_);
  MemoryRecordStore moved;
  ASSERT_TRUE(Import(text, moved, /*moved=*/true).ok());
  EXPECT_EQ(moved.HighestToken(), 1'234u);
  MemoryRecordStore restored;
  const auto imported = Import(text, restored);
  ASSERT_TRUE(imported.ok()) << imported.status();
  EXPECT_EQ(imported->token_before, 1'234u);
  EXPECT_GE(imported->token_now, RestoreFloor(kNow));
  EXPECT_EQ(restored.HighestToken(), imported->token_now);
}

TEST_F(TransferTest, AnExportThatWasNotAMoveIsTakenForABackup) {
  MemoryRecordStore store;
  const auto imported = Import(Export(source_), store);
  ASSERT_TRUE(imported.ok()) << imported.status();
  const StoreState state = *store.LoadState();
  EXPECT_EQ(state.restored_at_nanos(), ToNanos(kNow));
  EXPECT_EQ(state.unknown_since_nanos(), ToNanos(kExportedAt));
  EXPECT_EQ(state.restore_fencing_token(), imported->token_now);
  MemoryRecordStore moved;
  ASSERT_TRUE(Import(Export(source_), moved, /*moved=*/true).ok());
  EXPECT_EQ(moved.LoadState()->restored_at_nanos(), 0);
}

TEST_F(TransferTest, AStoreThatHasSomethingIsNotFilled) {
  EXPECT_THAT(std::string(Import(Export(source_), source_).status().message()),
              HasSubstr("the store is not empty"));
  MemoryRecordStore used;
  const Record held = MakeRecord(State::HELD);
  const auto write = Grant("default" + std::string(1, '\0') + "k", held);
  const auto granted = used.Commit({&write, 1});
  const auto erase = Erase(write.store_key, granted->front().revision);
  ASSERT_TRUE(used.Commit({&erase, 1}).ok());
  EXPECT_THAT(std::string(Import(Export(source_), used).status().message()),
              HasSubstr("the store is not empty"))
      << "it has given tokens";
}

TEST_F(TransferTest, WhatIsNoExportIsRefusedWithItsLine) {
  const std::string text = Export(source_);
  ExpectRefused("", "line 1: the export was cut off");
  ExpectRefused("hello\n", "line 1: this is no line of an export");
  ExpectRefused("{\"end\":{}}\n", "begins with its header");
  ExpectRefused("{\"header\":{\"format_version\":2,\"something\":1}}\n",
                "format version 2, this build reads version 1");
  const std::string cut = text.substr(0, text.find("{\"end\""));
  ExpectRefused(cut, "the export was cut off");
  ExpectRefused(cut + "{\"end\":{\"records\":\"7\"}}\n", "the export is not whole");
  ExpectRefused(text + "{}\n", "the export is not whole");
  const auto second = text.find('\n') + 1;
  const std::string record = text.substr(second, text.find('\n', second) + 1 - second);
  ExpectRefused(text.substr(0, second) + record + record, "line 3: the records are not in order");
  ExpectRefused(text.substr(0, second) + "{\"record\":{\"key\":\"k\"}}\n",
                "no namespace or no key");
  ExpectRefused(text.substr(0, second) + "{\"record\":{\"namespace\":\"n\",\"key\":\"k\"}}\n",
                "no state");
  ExpectRefused(text.substr(0, second) +
                    "{\"record\":{\"namespace\":\"n\",\"key\":\"k\",\"record\":{\"state\":\"HELD\","
                    "\"fencing_token\":\"99999\"}}}\n",
                "higher token");
}

TEST_F(TransferTest, ARecordThatCannotBeDecodedIsNotLeftOut) {
  source_.PutBytes(MakeStoreKey("default", "broken"), "\x01\xff\xff");
  std::ostringstream out;
  const auto exported = ExportRecords(source_, kExportedAt, out);
  EXPECT_THAT(std::string(exported.status().message()), HasSubstr("default/broken"));
}

}  // namespace
}  // namespace latchkey::storage
