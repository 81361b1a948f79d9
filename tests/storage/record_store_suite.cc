// What every RecordStore promises, over all of them.
#include "tests/storage/record_store_suite.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <thread>

namespace latchkey::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_P(RecordStoreSuite, NewStoreIsEmpty) {
  EXPECT_THAT(ScanKeys({}), IsEmpty());
  if (counts_tokens()) {
    EXPECT_EQ(store().HighestToken(), 0u);
  }
  const auto state = store().LoadState();
  ASSERT_TRUE(state.ok());
  EXPECT_EQ(state->ByteSizeLong(), 0u);
  const Loaded loaded = Load(MakeStoreKey("ns", "key"));
  EXPECT_FALSE(loaded.record.has_value());
  EXPECT_EQ(loaded.revision, 0u);
  EXPECT_FALSE(loaded.corrupt);
}

TEST_P(RecordStoreSuite, LoadOfNothingAndCommitOfNothing) {
  EXPECT_THAT(Load(std::vector<std::string>()), IsEmpty());
  EXPECT_THAT(Commit(std::vector<Write>()), IsEmpty());
}

TEST_P(RecordStoreSuite, CommittedRecordComesBack) {
  Record record = MakeRecord(State::COMPLETED, 7, "worker");
  record.mutable_result()->set_payload(std::string("\0\xff\x01", 3));
  record.set_fingerprint(std::string(64, '\xee'));
  const WriteResult result = Commit(Put("a", record));
  EXPECT_NE(result.revision, 0u);
  EXPECT_EQ(result.token, 0u);

  const Loaded loaded = Load("a");
  ASSERT_TRUE(loaded.record.has_value());
  EXPECT_EQ(loaded.record->SerializeAsString(), record.SerializeAsString());
  EXPECT_EQ(loaded.revision, result.revision);
}

TEST_P(RecordStoreSuite, LoadAnswersInTheOrderAsked) {
  const Record held = MakeRecord(State::HELD, 1, "h");
  const Record done = MakeRecord(State::COMPLETED, 2, "d");
  Commit({Put("b", held), Put("a", done)});
  const auto loaded = Load({"b", "missing", "a", "b"});
  EXPECT_EQ(loaded[0].record->holder_id(), "h");
  EXPECT_FALSE(loaded[1].record.has_value());
  EXPECT_EQ(loaded[2].record->holder_id(), "d");
  EXPECT_EQ(loaded[3].record->holder_id(), "h");
}

TEST_P(RecordStoreSuite, LoadsManyKeysAtOnce) {
  const Record held = MakeRecord(State::HELD, 1, "h");
  const Record done = MakeRecord(State::COMPLETED, 2, "d");
  std::vector<Write> writes;
  std::vector<std::string> keys;
  for (int i = 0; i < 500; ++i) {
    keys.push_back("key" + std::to_string(i));
    if (i % 3 != 0) writes.push_back(Put(keys.back(), i % 3 == 1 ? held : done));
  }
  Commit(writes);
  const auto loaded = Load(keys);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    ASSERT_EQ(loaded[i].record.has_value(), i % 3 != 0) << i;
    if (i % 3 != 0) {
      EXPECT_EQ(loaded[i].record->holder_id(), i % 3 == 1 ? "h" : "d");
    }
  }
}

TEST_P(RecordStoreSuite, RecordGoesThroughEveryState) {
  Revision revision = 0;
  for (const State::State state : {State::HELD, State::IN_DOUBT, State::HELD, State::COMPLETED,
                                   State::COMPLETED, State::ABSENT, State::HELD, State::ABSENT}) {
    const Record record = MakeRecord(state, 5, "w");
    revision = Commit(Put("key", record, revision)).revision;
    const Loaded loaded = Load("key");
    ASSERT_TRUE(loaded.record.has_value());
    EXPECT_EQ(loaded.record->state(), state);
    EXPECT_EQ(loaded.revision, revision);
    EXPECT_THAT(ScanKeys({}), ElementsAre("key"));
    EXPECT_THAT(ScanKeys({.live_only = true}), SizeIs(IsLive(record) ? 1 : 0));
  }
}

TEST_P(RecordStoreSuite, DeletedRecordIsGone) {
  const Record held = MakeRecord(State::HELD, 1);
  const Record done = MakeRecord(State::COMPLETED, 1);
  const auto put = Commit({Put("a", held), Put("b", done)});
  const auto erased = Commit({Erase("a", put[0].revision), Erase("b", put[1].revision)});
  EXPECT_EQ(erased[0].revision, 0u);
  EXPECT_FALSE(Load("a").record.has_value());
  EXPECT_FALSE(Load("b").record.has_value());
  EXPECT_THAT(ScanKeys({}), IsEmpty());
  Commit(Put("a", held));
  EXPECT_TRUE(Load("a").record.has_value());
}

TEST_P(RecordStoreSuite, TokensRiseInTheOrderOfTheWrites) {
  const Record held = MakeRecord(State::HELD, 999);
  const Record other = MakeRecord(State::HELD, 12);
  const auto first = Commit({Grant("a", held), Put("b", other), Grant("c", held)});
  if (counts_tokens()) {
    EXPECT_EQ(first[0].token, 1u);
  }
  EXPECT_EQ(first[1].token, 0u);
  EXPECT_GT(first[2].token, first[0].token);
  if (counts_tokens()) {
    EXPECT_EQ(first[2].token, 2u);
  }
  EXPECT_EQ(Load("a").record->fencing_token(), first[0].token);
  EXPECT_EQ(Load("b").record->fencing_token(), 12u);
  EXPECT_EQ(Load("c").record->fencing_token(), first[2].token);
  EXPECT_EQ(held.fencing_token(), 999u) << "the caller's record is not changed";
  ExpectNext(Commit(Grant("a", held, first[0].revision)).token, first[2].token);
}

TEST_P(RecordStoreSuite, TokensRiseAcrossThreads) {
  constexpr int kThreads = 4;
  constexpr int kCommits = 100;
  std::atomic<std::uint64_t> answered = 0;
  std::vector<std::vector<std::uint64_t>> tokens(kThreads);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      const Record held = MakeRecord(State::HELD);
      for (int i = 0; i < kCommits; ++i) {
        const std::uint64_t before = answered.load();
        const std::string name = std::to_string(thread) + "/" + std::to_string(i);
        const std::vector<Write> writes = {Grant(name + "a", held), Grant(name + "b", held)};
        const auto results = store().Commit(writes);
        ASSERT_TRUE(results.ok());
        ASSERT_GT((*results)[0].token, before);
        ASSERT_GT((*results)[1].token, (*results)[0].token);
        std::uint64_t highest = answered.load();
        while (highest < (*results)[1].token &&
               !answered.compare_exchange_weak(highest, (*results)[1].token)) {
        }
        for (const WriteResult& result : *results) tokens[thread].push_back(result.token);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<std::uint64_t> all;
  for (const auto& given : tokens) all.insert(all.end(), given.begin(), given.end());
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::unique(all.begin(), all.end()), all.end()) << "a token was given twice";
  EXPECT_GE(store().HighestToken(), all.back());
  if (counts_tokens()) {
    EXPECT_EQ(all.back(), static_cast<std::uint64_t>(2 * kThreads * kCommits));
  }
  EXPECT_THAT(ScanKeys({.limit = 10000}), SizeIs(2 * kThreads * kCommits));
}

TEST_P(RecordStoreSuite, ScanIsInKeyOrderAcrossStates) {
  const Record held = MakeRecord(State::HELD, 1);
  const Record done = MakeRecord(State::COMPLETED, 1);
  const Record doubt = MakeRecord(State::IN_DOUBT, 1);
  const Record absent = MakeRecord(State::ABSENT);
  Commit({Put("d", held), Put("a", done), Put("c", absent), Put("b", doubt), Put("e", done)});
  EXPECT_THAT(ScanKeys({}), ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_THAT(ScanKeys({.live_only = true}), ElementsAre("b", "d"));
}

TEST_P(RecordStoreSuite, ScanObeysPrefixAfterAndLimit) {
  const Record held = MakeRecord(State::HELD, 1);
  const Record done = MakeRecord(State::COMPLETED, 1);
  Commit({Put("a/1", held), Put("a/2", done), Put("a/3", held), Put("a0", done), Put("b", held)});
  EXPECT_THAT(ScanKeys({.prefix = "a/"}), ElementsAre("a/1", "a/2", "a/3"));
  EXPECT_THAT(ScanKeys({.prefix = "a/", .after = "a/1"}), ElementsAre("a/2", "a/3"));
  EXPECT_THAT(ScanKeys({.prefix = "a/", .after = "a/25"}), ElementsAre("a/3"));
  EXPECT_THAT(ScanKeys({.prefix = "a/", .after = "a/3"}), IsEmpty());
  EXPECT_THAT(ScanKeys({.prefix = "a/", .after = "b"}), IsEmpty());
  EXPECT_THAT(ScanKeys({.prefix = "b", .after = "a"}), ElementsAre("b"));
  EXPECT_THAT(ScanKeys({.limit = 2}), ElementsAre("a/1", "a/2"));
  EXPECT_THAT(ScanKeys({.after = "a/2", .limit = 2}), ElementsAre("a/3", "a0"));
  EXPECT_THAT(ScanKeys({.limit = 0}), IsEmpty());
  EXPECT_THAT(ScanKeys({.prefix = "a/", .after = "a/1", .live_only = true}), ElementsAre("a/3"));
}

TEST_P(RecordStoreSuite, PagesOfAScanGiveEveryRecordOnce) {
  const Record held = MakeRecord(State::HELD, 1);
  const Record done = MakeRecord(State::COMPLETED, 1);
  std::vector<Write> writes;
  for (int i = 0; i < 237; ++i) {
    writes.push_back(Put("key" + std::to_string(1000 + i), i % 2 == 0 ? held : done));
  }
  Commit(writes);
  std::vector<std::string> keys;
  ScanRequest request = {.limit = 10};
  for (;;) {
    const auto page = ScanKeys(request);
    if (page.empty()) break;
    keys.insert(keys.end(), page.begin(), page.end());
    request.after = page.back();
  }
  EXPECT_THAT(keys, SizeIs(237));
  EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
}

TEST_P(RecordStoreSuite, KeysAreBytes) {
  const Record held = MakeRecord(State::HELD, 1, "h");
  const Record done = MakeRecord(State::COMPLETED, 1, "d");
  const std::string high = MakeStoreKey("ns", "\xff\xff");
  const std::string long_key = MakeStoreKey(std::string(64, 'n'), std::string(255, '~'));
  const std::string plain = MakeStoreKey("ns", "!");
  const std::string longer = MakeStoreKey("ns2", "!");
  Commit({Put(high, held), Put(long_key, done), Put(plain, done), Put(longer, held)});
  EXPECT_EQ(Load(high).record->holder_id(), "h");
  EXPECT_EQ(Load(long_key).record->holder_id(), "d");
  EXPECT_THAT(ScanKeys({.prefix = MakeStoreKey("ns", "")}), ElementsAre(plain, high));
  EXPECT_THAT(ScanKeys({.prefix = MakeStoreKey("ns", "\xff")}), ElementsAre(high));
  EXPECT_THAT(ScanKeys({}), ElementsAre(long_key, plain, high, longer));
  EXPECT_THAT(ScanKeys({.prefix = "\xff"}), IsEmpty());
}

TEST_P(RecordStoreSuite, KeepsRecordsAtTheLimits) {
  Record record = MakeRecord(State::COMPLETED, 1);
  record.mutable_result()->set_payload(std::string(std::size_t{1} << 20, '\x5a'));
  record.set_checkpoint(std::string(4096, 'c'));
  Commit(Put("large", record));
  const Loaded loaded = Load("large");
  ASSERT_TRUE(loaded.record.has_value());
  EXPECT_EQ(loaded.record->SerializeAsString(), record.SerializeAsString());
}

TEST_P(RecordStoreSuite, StateIsReplacedAsAWhole) {
  StoreState state;
  state.set_retention_clock_nanos(42);
  (*state.mutable_horizon_nanos())["payments"] = 17;
  state.set_version(1);
  ASSERT_TRUE(store().SaveState(state).ok());
  EXPECT_EQ(store().LoadState()->SerializeAsString(), state.SerializeAsString());
  state.clear_horizon_nanos();
  state.set_restored_at_nanos(9);
  state.set_version(2);
  ASSERT_TRUE(store().SaveState(state).ok());
  EXPECT_EQ(store().LoadState()->SerializeAsString(), state.SerializeAsString());
}

TEST_P(RecordStoreSuite, ReopeningChangesNothing) {
  const Record held = MakeRecord(State::HELD, 1, "h");
  const Record done = MakeRecord(State::COMPLETED, 1, "d");
  const auto first = Commit({Grant("a", held), Put("b", done), Put("gone", held)});
  Commit({Put("a", done, first[0].revision), Erase("gone", first[2].revision)});
  StoreState state;
  state.set_retention_clock_nanos(42);
  state.set_version(1);
  ASSERT_TRUE(store().SaveState(state).ok());
  Reopen();
  EXPECT_THAT(ScanKeys({}), ElementsAre("a", "b"));
  EXPECT_THAT(ScanKeys({.live_only = true}), IsEmpty());
  EXPECT_GE(store().HighestToken(), first[0].token);
  if (counts_tokens()) {
    EXPECT_EQ(store().HighestToken(), 1u);
  }
  EXPECT_EQ(store().LoadState()->retention_clock_nanos(), 42);
  const Loaded a = Load("a");
  EXPECT_EQ(a.record->holder_id(), "d");
  ExpectNext(Commit(Grant("a", held, a.revision)).token, first[0].token);
}

// A naive second store: a map. Random steps must leave both with the same records.
TEST_P(RecordStoreSuite, AgreesWithAMap) {
  constexpr int kSteps = 1500;
  std::mt19937_64 random(20240229);
  struct Entry {
    std::string bytes;
    Revision revision;
    bool live;
  };
  std::map<std::string, Entry> model;
  std::uint64_t last_token = 0;
  for (int step = 0; step < kSteps; ++step) {
    std::vector<Record> records;
    records.reserve(8);
    std::vector<Write> writes;
    for (int first = static_cast<int>(random() % 40), i = 0; i < 1 + static_cast<int>(random() % 4);
         ++i) {
      const std::string key = "k" + std::to_string((first + i * 7) % 40);
      const auto known = model.find(key);
      const Revision expected = known == model.end() ? 0 : known->second.revision;
      if (random() % 4 == 0) {
        writes.push_back(Erase(key, expected));
        continue;
      }
      const State::State states[] = {State::HELD, State::IN_DOUBT, State::COMPLETED, State::ABSENT};
      records.push_back(MakeRecord(states[random() % 4], 1, std::to_string(step)));
      const bool grant = records.back().state() == State::HELD;
      writes.push_back(grant ? Grant(key, records.back(), expected)
                             : Put(key, records.back(), expected));
    }
    const auto results = Commit(writes);
    for (std::size_t i = 0; i < writes.size(); ++i) {
      if (writes[i].record == nullptr) {
        model.erase(writes[i].store_key);
        continue;
      }
      Record stored = *writes[i].record;
      if (writes[i].assign_token) {
        ASSERT_GT(results[i].token, last_token);
        if (counts_tokens()) {
          ASSERT_EQ(results[i].token, last_token + 1);
        }
        last_token = results[i].token;
        stored.set_fencing_token(last_token);
      }
      model[writes[i].store_key] = {stored.SerializeAsString(), results[i].revision,
                                    IsLive(stored)};
    }
    if (step % 100 != 99) continue;
    if (step % 500 == 499) Reopen();
    for (const bool live_only : {false, true}) {
      const auto scanned = store().Scan({.limit = 1000, .live_only = live_only});
      ASSERT_TRUE(scanned.ok());
      auto record = scanned->begin();
      for (const auto& [key, entry] : model) {
        if (live_only && !entry.live) continue;
        ASSERT_NE(record, scanned->end());
        ASSERT_EQ(record->store_key, key);
        ASSERT_EQ(record->loaded.record->SerializeAsString(), entry.bytes);
        ASSERT_EQ(record->loaded.revision, entry.revision);
        ASSERT_EQ(Load(key).record->SerializeAsString(), entry.bytes);
        ++record;
      }
      ASSERT_EQ(record, scanned->end());
    }
  }
}

}  // namespace
}  // namespace latchkey::storage
