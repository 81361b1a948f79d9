// What only the memory store does, and the faulty one over it.
#include "storage/memory_record_store.h"

#include "storage/faulty_record_store.h"
#include "tests/storage/test_records.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey::storage {
namespace {

using ::testing::ElementsAre;
using Outcome = WriteResult::Outcome;
using Sharing = MemoryRecordStore::Sharing;

TEST(MemoryRecordStoreTest, SharedStoreAnswersWithTheRecordThatIsThere) {
  MemoryRecordStore store(Sharing::kShared);
  EXPECT_FALSE(store.exclusive());
  const Record first = MakeRecord(State::HELD, 1, "first");
  const Record second = MakeRecord(State::HELD, 2, "second");
  const std::vector<Write> create = {Put("a", first)};
  const Revision revision = (*store.Commit(create))[0].revision;

  const std::vector<Write> writes = {Put("a", second), Grant("b", second), Erase("a", 99),
                                     Erase("c", 5)};
  const auto results = *store.Commit(writes);
  EXPECT_EQ(results[0].outcome, Outcome::kConflict);
  EXPECT_EQ(results[0].current.revision, revision);
  EXPECT_EQ(results[0].current.record->holder_id(), "first");
  EXPECT_EQ(results[1].outcome, Outcome::kCommitted) << "writes stand for themselves";
  EXPECT_EQ(results[2].outcome, Outcome::kConflict);
  EXPECT_EQ(results[3].outcome, Outcome::kConflict);
  EXPECT_FALSE(results[3].current.record.has_value());
  EXPECT_EQ(results[3].current.revision, 0u);
  EXPECT_EQ(store.HighestToken(), 1u) << "a conflict takes no token";
}

TEST(MemoryRecordStoreTest, SharedStoreNeverUsesARevisionAgain) {
  MemoryRecordStore store(Sharing::kShared);
  const Record held = MakeRecord(State::HELD, 1);
  const auto commit = [&](const Write& write) { return (*store.Commit({&write, 1}))[0]; };
  const Revision first = commit(Put("a", held)).revision;
  ASSERT_EQ(commit(Erase("a", first)).outcome, Outcome::kCommitted);
  const Revision second = commit(Put("a", held)).revision;
  EXPECT_NE(second, first);
  EXPECT_EQ(commit(Erase("a", first)).outcome, Outcome::kConflict);
}

TEST(MemoryRecordStoreTest, CorruptRecordIsMarkedAndNoOther) {
  MemoryRecordStore store;
  const Record held = MakeRecord(State::HELD, 1);
  const std::vector<Write> writes = {Put("a", held)};
  ASSERT_TRUE(store.Commit(writes).ok());
  store.PutBytes("b", "\x01garbage");
  const std::vector<std::string> keys = {"a", "b"};
  const auto loaded = *store.Load(keys);
  EXPECT_FALSE(loaded[0].corrupt);
  EXPECT_TRUE(loaded[1].corrupt);
  EXPECT_NE(loaded[1].revision, 0u);
  const auto scanned = *store.Scan({.live_only = true});
  ASSERT_EQ(scanned.size(), 2u);
  EXPECT_TRUE(scanned[1].loaded.corrupt);
}

TEST(MemoryRecordStoreDeathTest, OnlyWriterMustKnowTheRevision) {
  MemoryRecordStore store;
  const Record held = MakeRecord(State::HELD, 1);
  const std::vector<Write> writes = {Put("a", held)};
  ASSERT_TRUE(store.Commit(writes).ok());
  EXPECT_DEATH((void)store.Commit(writes), "expects revision 0");
}

class FaultyRecordStoreTest : public ::testing::Test {
 protected:
  // A store whose call number `nth` goes wrong.
  FaultyRecordStore Faulty(MemoryRecordStore& beneath, std::uint64_t nth, Fault fault) {
    return FaultyRecordStore(beneath, [nth, fault](const StoreCall& call) {
      return call.number == nth ? fault : Fault::kNone;
    });
  }

  const Record held_ = MakeRecord(State::HELD, 1, "held");
  const std::vector<Write> writes_ = {Put("a", held_), Grant("b", held_)};
  const std::vector<std::string> keys_ = {"a"};
};

TEST_F(FaultyRecordStoreTest, FailsBeforeAnythingHappens) {
  MemoryRecordStore beneath;
  FaultyRecordStore store = Faulty(beneath, 2, Fault::kFailBefore);
  ASSERT_TRUE(store.Load(keys_).ok());
  EXPECT_FALSE(store.failed());
  EXPECT_EQ(store.Commit(writes_).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(store.failed());
  EXPECT_FALSE((*beneath.Load(keys_))[0].record.has_value());
}

TEST_F(FaultyRecordStoreTest, FailsAfterItHappened) {
  MemoryRecordStore beneath;
  FaultyRecordStore store = Faulty(beneath, 1, Fault::kFailAfter);
  EXPECT_EQ(store.Commit(writes_).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE((*beneath.Load(keys_))[0].record.has_value());
  EXPECT_EQ(store.HighestToken(), 1u);
}

TEST_F(FaultyRecordStoreTest, ExclusiveStoreLatches) {
  MemoryRecordStore beneath;
  for (const Fault fault : {Fault::kFailBefore, Fault::kFailAfter}) {
    FaultyRecordStore store = Faulty(beneath, 1, fault);
    const absl::Status answers[] = {store.LoadState().status(), store.Load(keys_).status(),
                                    store.Commit(writes_).status(), store.Scan({}).status(),
                                    store.SaveState({})};
    for (const absl::Status& answer : answers) {
      EXPECT_EQ(answer.code(), absl::StatusCode::kUnavailable) << answer;
    }
    EXPECT_FALSE((*beneath.Load(keys_))[0].record.has_value());
  }
}

TEST_F(FaultyRecordStoreTest, SharedStoreGoesOnAndDoesNotKnow) {
  MemoryRecordStore beneath(Sharing::kShared);
  FaultyRecordStore store = Faulty(beneath, 1, Fault::kFailAfter);
  const auto results = store.Commit(writes_);
  ASSERT_TRUE(results.ok());
  ASSERT_EQ(results->size(), 2u);
  EXPECT_EQ((*results)[0].outcome, Outcome::kUnknown);
  EXPECT_EQ((*results)[1].outcome, Outcome::kUnknown);
  EXPECT_EQ((*results)[1].token, 0u);
  EXPECT_FALSE(store.failed());
  EXPECT_EQ((*store.Load(keys_))[0].record->holder_id(), "held");
}

TEST_F(FaultyRecordStoreTest, SharedStoreFailsOneCallOnly) {
  MemoryRecordStore beneath(Sharing::kShared);
  FaultyRecordStore store = Faulty(beneath, 1, Fault::kFailBefore);
  EXPECT_EQ(store.Commit(writes_).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ((*store.Commit(writes_))[0].outcome, Outcome::kCommitted);
}

TEST_F(FaultyRecordStoreTest, ScriptSeesEveryCall) {
  MemoryRecordStore beneath;
  std::vector<StoreCall::Kind> kinds;
  std::vector<std::string> keys;
  FaultyRecordStore store(beneath, [&](const StoreCall& call) {
    kinds.push_back(call.kind);
    EXPECT_EQ(call.number, kinds.size());
    for (const Write& write : call.writes) keys.push_back(write.store_key);
    return Fault::kNone;
  });
  ASSERT_TRUE(store.Load(keys_).ok());
  ASSERT_TRUE(store.Commit(writes_).ok());
  ASSERT_TRUE(store.Scan({}).ok());
  ASSERT_TRUE(store.LoadState().ok());
  ASSERT_TRUE(store.SaveState({}).ok());
  using Kind = StoreCall::Kind;
  EXPECT_THAT(kinds, ElementsAre(Kind::kLoad, Kind::kCommit, Kind::kScan, Kind::kLoadState,
                                 Kind::kSaveState));
  EXPECT_THAT(keys, ElementsAre("a", "b"));
}

}  // namespace
}  // namespace latchkey::storage
