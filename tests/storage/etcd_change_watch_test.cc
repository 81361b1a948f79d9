// How records in etcd change, as every server is told.
#include "base/mutex.h"
#include "tests/storage/etcd_store_fixture.h"

namespace latchkey::storage {
namespace {

// Remembers the changes that a watch told.
class ToldChanges {
 public:
  void operator()(RecordChanges told) {
    MutexLock lock(mutex_);
    if (told.begins) begun_.push_back(told.position);
    for (RecordChange& change : told.changes) {
      EXPECT_GT(change.position, newest_);
      newest_ = change.position;
      positions_.push_back(change.position);
      const auto& record = change.loaded.record;
      words_.push_back(change.store_key + " " +
                       (record.has_value() ? State::State_Name(record->state()) : "gone"));
    }
    EXPECT_TRUE(told.begins || told.position >= newest_);
    newest_ = told.position;
    changed_.NotifyAll();
  }
  // What was told once there is so much, or after a generous while.
  std::vector<std::string> Await(std::size_t count) {
    MutexLock lock(mutex_);
    for (int i = 0; i < 1'000 && words_.size() < count; ++i) changed_.WaitFor(mutex_, 20ms);
    return words_;
  }
  // Where it has begun, once it has so often.
  std::vector<std::uint64_t> AwaitBegun(std::size_t times = 1) {
    MutexLock lock(mutex_);
    for (int i = 0; i < 1'000 && begun_.size() < times; ++i) changed_.WaitFor(mutex_, 20ms);
    return begun_;
  }
  std::vector<std::uint64_t> positions() {
    MutexLock lock(mutex_);
    return positions_;
  }

 private:
  Mutex mutex_;
  Condition changed_;
  std::uint64_t newest_ GUARDED_BY(mutex_) = 0;
  std::vector<std::uint64_t> begun_ GUARDED_BY(mutex_);
  std::vector<std::uint64_t> positions_ GUARDED_BY(mutex_);
  std::vector<std::string> words_ GUARDED_BY(mutex_);
};

using ::testing::ElementsAre;

class EtcdChangeWatchTest : public EtcdRecordStoreTest {
 protected:
  // Takes a key through everything that may become of it; what is to be told of it.
  static std::vector<std::string> Live(RecordStore& one, RecordStore& two, const Record& held,
                                       const Record& done, const std::string& key) {
    const Record absent = MakeRecord(State::ABSENT);
    auto last = CommitOne(one, Grant(key, held));
    last = CommitOne(two, Put(key, held, last.revision));
    last = CommitOne(two, Put(key, done, last.revision));
    last = CommitOne(one, Put(key, done, last.revision));
    last = CommitOne(one, Put(key, absent, last.revision));
    last = CommitOne(one, Grant(key, held, last.revision));
    CommitOne(two, Erase(key, last.revision));
    return {key + " HELD",   key + " HELD", key + " COMPLETED", key + " COMPLETED",
            key + " ABSENT", key + " HELD", key + " gone"};
  }
};

TEST_F(EtcdChangeWatchTest, EveryServerIsToldOfEveryChangeOnceAndAtTheSamePosition) {
  const auto one = Open();
  const auto two = Open();
  CommitOne(*one, Put("before", held_));
  ToldChanges at_one;
  ToldChanges at_two;
  const auto watch_one = one->WatchChanges(0, std::ref(at_one));
  const auto watch_two = two->WatchChanges(0, std::ref(at_two));
  ASSERT_EQ(at_one.AwaitBegun().size(), 1u);
  ASSERT_EQ(at_two.AwaitBegun().size(), 1u);
  const auto expected = Live(*one, *two, held_, done_, "k");
  EXPECT_EQ(at_one.Await(expected.size()), expected);
  EXPECT_EQ(at_two.Await(expected.size()), expected);
  // Together, in one transaction, and one of them moves.
  const WriteResult a = CommitOne(*one, Grant("a", held_));
  ASSERT_TRUE(two->Commit(std::vector{Put("a", done_, a.revision), Grant("b", held_)}).ok());
  const auto all = at_two.Await(expected.size() + 3);
  EXPECT_EQ(std::vector(all.end() - 3, all.end()),
            (std::vector<std::string>{"a HELD", "a COMPLETED", "b HELD"}));
  EXPECT_EQ(at_one.Await(expected.size() + 3), all);
  EXPECT_EQ(at_one.positions(), at_two.positions());
}

TEST_F(EtcdChangeWatchTest, AnotherServerGoesOnFromAnyPosition) {
  const auto one = Open();
  const auto two = Open();
  ToldChanges told;
  const auto watch = one->WatchChanges(0, std::ref(told));
  ASSERT_EQ(told.AwaitBegun().size(), 1u);
  ASSERT_TRUE(
      one->Commit(std::vector{Grant("a", held_), Grant("b", held_), Grant("c", held_)}).ok());
  CommitOne(*one, Grant("d", held_));
  ASSERT_THAT(told.Await(4), ElementsAre("a HELD", "b HELD", "c HELD", "d HELD"));
  for (std::size_t i = 0; i < 3; ++i) {
    ToldChanges again;
    const std::uint64_t after = told.positions()[i];
    const auto resumed = two->WatchChanges(after, std::ref(again));
    auto rest = told.Await(4);
    rest.erase(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    EXPECT_EQ(again.Await(rest.size()), rest);
    EXPECT_THAT(again.AwaitBegun(), ElementsAre(after));
  }
  // What nobody gave is no place to begin at; nor is what is from before tokens were raised.
  const std::uint64_t last = told.positions().back();
  ASSERT_TRUE(one->RaiseTokens(last + (std::uint64_t{1} << 40)).ok());
  CommitOne(*one, Grant("e", held_));
  told.Await(5);
  EXPECT_GT(told.positions().back(), last + (std::uint64_t{1} << 40));
  for (const std::uint64_t after : {std::uint64_t{1}, last, told.positions().back() << 1}) {
    ToldChanges again;
    const auto resumed = two->WatchChanges(after, std::ref(again));
    ASSERT_EQ(again.AwaitBegun().size(), 1u);
    EXPECT_GE(again.AwaitBegun()[0], told.positions().back());
    EXPECT_NE(again.AwaitBegun()[0], after);
  }
}

TEST_F(EtcdChangeWatchTest, NothingIsLostWhenEtcdWasAwayAndAGapIsSaid) {
  const auto store = Open();
  ToldChanges told;
  const auto watch = store->WatchChanges(0, std::ref(told));
  ASSERT_EQ(told.AwaitBegun().size(), 1u);
  CommitOne(*store, Grant("a", held_));
  ASSERT_THAT(told.Await(1), ElementsAre("a HELD"));
  cluster_->process(0).Kill();
  ASSERT_TRUE(cluster_->Restart(0).ok());
  ASSERT_TRUE(cluster_->Await(0).ok());
  WriteResult b;
  while (b.outcome == Outcome::kUnknown) b = CommitOne(*store, Put("b", held_));
  EXPECT_THAT(told.Await(2), ElementsAre("a HELD", "b HELD"));
  EXPECT_EQ(told.AwaitBegun().size(), 1u) << "resumed";
  // One that goes on where etcd does not know any more what came since.
  EtcdClient client(Options(), clock_);
  CommitOne(*store, Put("b", done_, b.revision));
  ASSERT_EQ(told.Await(3).size(), 3u);
  ASSERT_TRUE(client.Compact(ModRevisionOf(b.revision) + 1).ok());
  ToldChanges late;
  const std::uint64_t after = told.positions()[0];
  const auto resumed = store->WatchChanges(after, std::ref(late));
  const auto begun = late.AwaitBegun(2);
  ASSERT_EQ(begun.size(), 2u);
  EXPECT_EQ(begun[0], after);
  EXPECT_GE(begun[1], told.positions()[2]);
  CommitOne(*store, Grant("c", held_));
  EXPECT_THAT(late.Await(1), ElementsAre("c HELD"));
}

TEST_F(EtcdChangeWatchTest, WhatIsReclaimedIsNoChange) {
  const auto store = Open();
  Record paid = done_;
  paid.mutable_result()->set_payload("receipt");
  paid.mutable_result()->set_payload_digest("digest");
  const WriteResult whole = CommitOne(*store, Put("whole", paid));
  const WriteResult part = CommitOne(*store, Put("part", paid));
  const WriteResult late = CommitOne(*store, Put("late", paid));
  ToldChanges told;
  const auto watch = store->WatchChanges(0, std::ref(told));
  ASSERT_EQ(told.AwaitBegun().size(), 1u);
  paid.mutable_result()->clear_payload();
  CommitOne(*store, Put("part", paid, part.revision));
  CommitOne(*store, Erase("whole", whole.revision));
  paid.set_late_outcome_count(1);
  CommitOne(*store, Put("late", paid, late.revision));
  EXPECT_THAT(told.Await(1), ElementsAre("late COMPLETED"));
}

TEST_F(EtcdChangeWatchTest, ManyLargeChangesComeInPartsAndInTheirOrder) {
  const auto store = Open();
  ToldChanges first;
  std::uint64_t begin = 0;
  {
    const auto watch = store->WatchChanges(0, std::ref(first));
    begin = first.AwaitBegun().at(0);
  }
  Record large = held_;
  large.set_checkpoint(std::string(60'000, 'c'));
  std::vector<std::string> expected;
  for (int i = 0; i < 30; ++i) {
    std::vector<Write> writes;
    for (int j = 0; j < 10; ++j) {
      writes.push_back(Put(std::to_string(i) + "/" + std::to_string(j), large));
      expected.push_back(writes.back().store_key + " HELD");
    }
    ASSERT_TRUE(store->Commit(writes).ok());
  }
  ToldChanges told;
  const auto watch = store->WatchChanges(begin, std::ref(told));
  EXPECT_EQ(told.Await(expected.size()), expected);
}

}  // namespace
}  // namespace latchkey::storage
