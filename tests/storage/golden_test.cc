// Stores that earlier builds wrote stay readable. Each directory below tests/storage/golden was
// written once by a build of its format version, left without being closed, and is never written
// again: a half of its records is in tables, the other in the log.
#include <filesystem>

#include "storage/rocksdb/rocksdb_record_store.h"
#include "tests/storage/golden_records.h"
#include "tests/support/temporary_directory.h"
#include <gtest/gtest.h>

namespace latchkey::storage {
namespace {

class GoldenTest : public ::testing::TestWithParam<const char*> {};

TEST_P(GoldenTest, OpensAndHasEverything) {
  TemporaryDirectory directory;
  std::filesystem::copy(std::filesystem::path(LATCHKEY_GOLDEN_DIRECTORY) / GetParam(),
                        directory.store(), std::filesystem::copy_options::recursive);
  std::filesystem::permissions(directory.store(), std::filesystem::perms(0755));
  for (const bool reopened : {false, true}) {
    auto store = RocksDbRecordStore::Open(directory.store(), {});
    ASSERT_TRUE(store.ok()) << store.status();
    const auto scanned = (*store)->Scan({});
    ASSERT_TRUE(scanned.ok()) << scanned.status();
    const auto expected = GoldenRecords();
    EXPECT_EQ(scanned->size(), expected.size() + (reopened ? 1 : 0));
    for (const auto& [store_key, record] : expected) {
      const auto loaded = (*store)->Load({&store_key, 1});
      ASSERT_TRUE(loaded.ok()) << loaded.status();
      ASSERT_TRUE((*loaded)[0].record.has_value()) << store_key;
      EXPECT_EQ((*loaded)[0].record->DebugString(), record.DebugString());
    }
    EXPECT_EQ((*store)->LoadState()->DebugString(), GoldenState().DebugString());
    EXPECT_EQ((*store)->HighestToken(), kGoldenTokenLimit + (reopened ? 1 : 0));
    if (!reopened) {
      const Record held = MakeRecord(State::HELD);
      const Write grant = Grant("new", held);
      const auto granted = (*store)->Commit({&grant, 1});
      ASSERT_TRUE(granted.ok());
      EXPECT_EQ((*granted)[0].token, kGoldenTokenLimit + 1);
    }
    ASSERT_TRUE((*store)->Close().ok());
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, GoldenTest, ::testing::Values("v1"),
                         [](const ::testing::TestParamInfo<const char*>& version) {
                           return std::string(version.param);
                         });

}  // namespace
}  // namespace latchkey::storage
