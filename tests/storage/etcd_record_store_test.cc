// What the etcd store promises beyond the suite: several servers, batches at their bounds, tokens,
// and what is told and reclaimed.
#include "storage/etcd/etcd_record_store.h"

#include <map>
#include <set>

#include "base/fake_clock.h"
#include "base/mutex.h"
#include "storage/etcd/compactor.h"
#include "tests/storage/etcd_store_fixture.h"

namespace latchkey::storage {
namespace {

// Remembers what a watch told.
class Told {
 public:
  void operator()(LiveChanges changes) {
    MutexLock lock(mutex_);
    if (changes.begins) {
      ++begun_;
      live_.clear();
    }
    for (LiveChange& change : changes.changes) {
      if (change.loaded.record.has_value()) {
        live_[change.store_key] = change.loaded.record->holder_id();
      } else {
        live_.erase(change.store_key);
      }
    }
    complete_ = changes.complete;
    changed_.NotifyAll();
  }
  using Live = std::map<std::string, std::string>;
  // What is live once it is this, or after a generous while.
  Live Await(const Live& expected) {
    MutexLock lock(mutex_);
    for (int i = 0; i < 1'000 && (live_ != expected || !complete_); ++i) {
      changed_.WaitFor(mutex_, 20ms);
    }
    return live_;
  }
  int begun() {
    MutexLock lock(mutex_);
    return begun_;
  }

 private:
  Mutex mutex_;
  Condition changed_;
  Live live_ GUARDED_BY(mutex_);
  bool complete_ GUARDED_BY(mutex_) = false;
  int begun_ GUARDED_BY(mutex_) = 0;
};

TEST_F(EtcdRecordStoreTest, OfTwoServersThatWriteAKeyOneGetsAConflictWithWhatIsThere) {
  const auto one = Open();
  const auto two = Open();
  const WriteResult first = CommitOne(*one, Grant("k", held_));
  ASSERT_EQ(first.outcome, Outcome::kCommitted);
  const Record other = MakeRecord(State::HELD, 1, "other");
  for (const Revision wrong : {Revision{0}, first.revision + 2}) {
    const WriteResult second = CommitOne(*two, Grant("k", other, wrong));
    ASSERT_EQ(second.outcome, Outcome::kConflict);
    EXPECT_EQ(second.current.revision, first.revision);
    EXPECT_EQ(second.current.record->holder_id(), "h");
    EXPECT_EQ(second.current.record->fencing_token(), first.token);
  }
  const WriteResult completed = CommitOne(*two, Put("k", done_, first.revision));
  ASSERT_EQ(completed.outcome, Outcome::kCommitted);
  const WriteResult late = CommitOne(*one, Put("k", other, first.revision));
  ASSERT_EQ(late.outcome, Outcome::kConflict);
  EXPECT_EQ(late.current.record->state(), State::COMPLETED);
  EXPECT_EQ(late.current.revision, completed.revision);
  const WriteResult again = CommitOne(*one, Grant("k", other));
  ASSERT_EQ(again.outcome, Outcome::kConflict) << "a completed key is not absent";
}

TEST_F(EtcdRecordStoreTest, AFailedConditionLeavesTheOthersOfTheBatchStanding) {
  const auto store = Open();
  const WriteResult there = CommitOne(*store, Put("b", held_));
  const auto results = *store->Commit(std::vector{Put("a", held_), Put("b", done_), Put("c", done_),
                                                  Erase("d", RevisionOf(7, true))});
  EXPECT_EQ(results[0].outcome, Outcome::kCommitted);
  EXPECT_EQ(results[1].outcome, Outcome::kConflict);
  EXPECT_EQ(results[2].outcome, Outcome::kCommitted);
  EXPECT_EQ(results[3].outcome, Outcome::kConflict);
  EXPECT_EQ(results[3].current.revision, 0u);
  EXPECT_EQ((*store->Load(std::vector<std::string>{"b"}))[0].revision, there.revision);
}

TEST_F(EtcdRecordStoreTest, AChecksAnswerIsWhetherTheRevisionStillHolds) {
  const auto store = Open();
  const WriteResult a = CommitOne(*store, Put("a", held_));
  const auto check = [](std::string key, Revision expected) {
    return Write{.store_key = std::move(key), .expected = expected, .check_only = true};
  };
  for (const bool beside_a_write : {false, true}) {
    std::vector<Write> writes = {check("a", a.revision), check("a2", 0), check("b", 0)};
    CommitOne(*store, Put("a2", done_, (*store->Load(std::vector<std::string>{"a2"}))[0].revision));
    if (beside_a_write) writes.push_back(Put("c", held_));
    const auto results = *store->Commit(writes);
    EXPECT_EQ(results[0].outcome, Outcome::kCommitted);
    EXPECT_EQ(results[0].revision, a.revision);
    EXPECT_EQ(results[1].outcome, Outcome::kConflict);
    EXPECT_EQ(results[1].current.record->state(), State::COMPLETED);
    EXPECT_EQ(results[2].outcome, Outcome::kCommitted);
    EXPECT_EQ(results[2].revision, 0u);
  }
  EXPECT_EQ((*store->Load(std::vector<std::string>{"a"}))[0].revision, a.revision);
}

TEST_F(EtcdRecordStoreTest, BatchesPastEtcdsBoundsAreTakenAllTheSame) {
  const auto store = Open();
  std::vector<Write> many;
  for (int i = 0; i < 4'096; ++i) many.push_back(Grant("many" + std::to_string(i), held_));
  const auto results = *store->Commit(many);
  std::set<std::uint64_t> tokens;
  for (const WriteResult& result : results) {
    ASSERT_EQ(result.outcome, Outcome::kCommitted);
    tokens.insert(result.token);
  }
  EXPECT_EQ(tokens.size(), many.size());
  Record large = done_;
  large.mutable_result()->set_payload(std::string(std::size_t{1} << 20, 'x'));
  std::vector<Write> bytes;
  for (int i = 0; i < 5; ++i) bytes.push_back(Put("large" + std::to_string(i), large));
  const auto stored = *store->Commit(bytes);
  for (const WriteResult& result : stored) EXPECT_EQ(result.outcome, Outcome::kCommitted);
}

TEST_F(EtcdRecordStoreTest, ARecordThatEtcdCannotTakeIsRefusedAloneAndForGood) {
  const auto store = Open();
  Record huge = done_;
  huge.mutable_result()->set_payload(std::string(std::size_t{7} << 18, 'x'));  // 1.75 MiB
  const auto results =
      *store->Commit(std::vector{Put("a", held_), Put("b", huge), Put("c", held_)});
  EXPECT_EQ(results[0].outcome, Outcome::kCommitted);
  EXPECT_EQ(results[1].outcome, Outcome::kRefused);
  EXPECT_EQ(results[2].outcome, Outcome::kCommitted);
  EXPECT_EQ((*store->Load(std::vector<std::string>{"b"}))[0].revision, 0u);
}

TEST_F(EtcdRecordStoreTest, TokensRiseOverServersAndWhenTheirFloorIsRaised) {
  const auto one = Open();
  const auto two = Open();
  std::uint64_t last = 0;
  const auto grant = [&](RecordStore& store, int i) {
    const auto results = *store.Commit(
        std::vector{Grant("a" + std::to_string(i), held_), Grant("b" + std::to_string(i), held_)});
    for (const WriteResult& result : results) {
      EXPECT_EQ(result.outcome, Outcome::kCommitted);
      EXPECT_GT(result.token, last);
      last = result.token;
    }
    const auto read = *two->Load(std::vector<std::string>{"b" + std::to_string(i)});
    EXPECT_EQ(read[0].record->fencing_token(), last);
    EXPECT_GE(two->HighestToken(), last);
  };
  for (int i = 0; i < 20; ++i) grant(i % 2 == 0 ? *one : *two, i);
  const std::uint64_t floor = last + (std::uint64_t{1} << 40);
  ASSERT_TRUE(one->RaiseTokens(floor).ok());
  EXPECT_GE(one->HighestToken(), floor);
  grant(*two, 20);  // which still counts from the old floor, until etcd says otherwise
  EXPECT_GT(last, floor);
  ASSERT_TRUE(two->RaiseTokens(1).ok()) << "never lowers anything";
  for (int i = 21; i < 30; ++i) grant(i % 2 == 0 ? *one : *two, i);
  EXPECT_GT(Open()->HighestToken(), floor);
  const auto before = (*one->Load(std::vector<std::string>{"a0"}))[0];
  EXPECT_LT(before.record->fencing_token(), floor) << "what was given stays as it was";
  const WriteResult rewritten = CommitOne(*one, Put("a0", *before.record, before.revision));
  ASSERT_EQ(rewritten.outcome, Outcome::kCommitted);
  EXPECT_EQ((*two->Load(std::vector<std::string>{"a0"}))[0].record->fencing_token(),
            before.record->fencing_token());
}

TEST_F(EtcdRecordStoreTest, TellsWhatIsLiveAndWhatBecomesOfIt) {
  const auto one = Open();
  const auto two = Open();
  const WriteResult a = CommitOne(*one, Grant("a", held_));
  CommitOne(*one, Put("d", done_));
  Told told;
  const auto watch = two->WatchLive(std::ref(told));
  EXPECT_EQ(told.Await({{"a", "h"}}), (Told::Live{{"a", "h"}}));
  const Record other = MakeRecord(State::IN_DOUBT, 5, "other");
  const WriteResult b = CommitOne(*one, Put("b", other));
  CommitOne(*two, Put("a", done_, a.revision));
  EXPECT_EQ(told.Await({{"b", "other"}}), (Told::Live{{"b", "other"}}));
  CommitOne(*two, Erase("b", b.revision));
  EXPECT_EQ(told.Await({}), (Told::Live()));
  EXPECT_EQ(told.begun(), 1);
}

TEST_F(EtcdRecordStoreTest, AWatchGoesOnAfterEtcdWasAwayAndReadsAnewWhatWasCompacted) {
  const auto store = Open();
  Told told;
  const auto watch = store->WatchLive(std::ref(told));
  CommitOne(*store, Put("a", held_));
  EXPECT_EQ(told.Await({{"a", "h"}}), (Told::Live{{"a", "h"}}));
  cluster_->process(0).Kill();
  ASSERT_TRUE(cluster_->Restart(0).ok());
  ASSERT_TRUE(cluster_->Await(0).ok());
  EtcdClient client(Options(), clock_);
  const auto change = [&](const std::string& key) {
    WriteResult result;
    while (result.outcome == Outcome::kUnknown) result = CommitOne(*store, Put(key, held_));
  };
  change("b");
  EXPECT_EQ(told.Await({{"a", "h"}, {"b", "h"}}), (Told::Live{{"a", "h"}, {"b", "h"}}));
  EXPECT_EQ(told.begun(), 1) << "resumed";
}

TEST_F(EtcdRecordStoreTest, OldRevisionsAreGivenUpByOneServerAtATime) {
  StartCluster();
  EtcdOptions options = Options();
  options.compact_after = 1ms;
  EtcdClient client(options, clock_);
  const auto store = Open();  // which does not compact for minutes
  const KeyLayout layout(options.prefix);
  const WriteResult first = CommitOne(*store, Put("a", held_));
  Compactor one(client, layout, clock_);
  int compacted = 0;
  for (int i = 0; i < 1'000 && compacted < 2; ++i) {
    compacted += one.Look() ? 1 : 0;
    const auto now = (*store->Load(std::vector<std::string>{"a"}))[0];
    CommitOne(*store, Put("a", held_, now.revision));
  }
  ASSERT_EQ(compacted, 2);
  etcdserverpb::RangeRequest old;
  old.set_key(layout.Live("a"));
  old.set_revision(ModRevisionOf(first.revision));
  EXPECT_TRUE(absl::IsOutOfRange(client.Range(old).status()));
  EXPECT_EQ((*store->Load(std::vector<std::string>{"a"}))[0].record->holder_id(), "h");
}

TEST_F(EtcdRecordStoreTest, WhatNobodyCanSeeAnyMoreIsReclaimedByOneServer) {
  const auto store = Open();
  std::vector<Write> writes;
  for (int i = 0; i < 600; ++i) writes.push_back(Put("k" + std::to_string(1'000 + i), done_));
  Record other = done_;
  other.set_holder_id("kept");
  writes.push_back(Put("kept", other));
  writes.push_back(Put("live", held_));
  ASSERT_TRUE(store->Commit(writes).ok());
  FakeClock clock;
  EtcdClient client(Options(), clock_);
  const KeyLayout layout(Options().prefix);
  int judged = 0;
  const auto expire = [&](std::string_view, Record& record) {
    ++judged;
    return record.holder_id() == "kept" ? Expired::kNothing : Expired::kAll;
  };
  Sweeper one(client, layout, clock, *store, expire);
  Sweeper two(client, layout, clock, *store, expire);
  EXPECT_EQ(one.Look(), 0u) << "it was not seen for long enough";
  EXPECT_EQ(two.Look(), 0u);
  std::size_t reclaimed = 0;
  clock.Advance(std::chrono::minutes(10));
  for (int i = 0; i < 10; ++i) {
    reclaimed += one.Look() + two.Look();
    clock.Advance(500ms);
  }
  EXPECT_EQ(reclaimed, 600u);
  EXPECT_EQ(judged, 601) << "each record by one of them";
  EXPECT_EQ(store->Scan({})->size(), 2u);
  clock.Advance(std::chrono::minutes(10));
  judged = 0;
  for (int i = 0; i < 5; ++i) {
    (void)one.Look();
    clock.Advance(500ms);
  }
  EXPECT_EQ(judged, 1) << "the next round begins after a rest";
}

TEST_F(EtcdRecordStoreTest, ForeignBytesUnderAKeyAreACorruptRecordOfThatKeyOnly) {
  const auto store = Open();
  CommitOne(*store, Put("a", held_));
  PutBytes("latchkey/live/b", "nonsense");
  const auto loaded = *store->Load(std::vector<std::string>{"a", "b"});
  EXPECT_FALSE(loaded[0].corrupt);
  EXPECT_TRUE(loaded[1].corrupt);
}

TEST_F(EtcdRecordStoreTest, TheStateIsTakenOnlyFromWhoeverHasReadTheLastOne) {
  const auto one = Open();
  const auto two = Open();
  StoreState state;
  state.set_version(1);
  state.set_restored_at_nanos(5);
  ASSERT_TRUE(one->SaveState(state).ok());
  EXPECT_TRUE(absl::IsAborted(two->SaveState(state)));
  state = *two->LoadState();
  EXPECT_EQ(state.restored_at_nanos(), 5);
  state.set_version(state.version() + 1);
  EXPECT_TRUE(two->SaveState(state).ok());
}

}  // namespace
}  // namespace latchkey::storage
