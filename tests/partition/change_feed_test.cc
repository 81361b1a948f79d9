// What the feed keeps of changes, and what it says of those that it does not keep.
#include "server/partition/change_feed.h"

#include <optional>

#include "latchkey/v1/admin.pb.h"
#include "storage/store_key.h"
#include <gtest/gtest.h>

namespace latchkey {
namespace {

constexpr std::uint64_t kFirst = 1'000;

class ChangeFeedTest : public testing::Test {
 protected:
  ChangeFeedTest() {
    context_.limits = &limits_;
    context_.settings = &settings_;
  }

  void Publish(const std::string& key, std::size_t checkpoint_bytes = 0) {
    storage::v1::Record record;
    record.set_state(v1::CheckResultResponse::HELD);
    record.set_checkpoint(std::string(checkpoint_bytes, 'c'));
    context_.name_space = "default";
    context_.key = key;
    feed_.Publish(storage::MakeStoreKey("default", key), record, context_);
  }
  // The key of the next change, or what else there is to say.
  std::string After(std::uint64_t revision, const std::string& prefix = "") {
    const auto next = feed_.After(revision, storage::MakeStoreKey("default", prefix));
    if (next.missed) return "missed";
    return next.change == nullptr ? "nothing" : next.change->record().key();
  }

  Limits limits_ = [] {
    Limits limits;
    limits.watched_changes = 5;
    limits.watched_bytes = 10'000;
    return limits;
  }();
  NamespaceSettings settings_;
  Context context_;
  ChangeFeed feed_{limits_, kFirst};
};

TEST_F(ChangeFeedTest, NothingIsKeptWhileNobodyWatches) {
  EXPECT_FALSE(feed_.watched());
  Publish("a");
  EXPECT_EQ(feed_.revision(), kFirst);
  feed_.Begin();
  EXPECT_EQ(After(kFirst), "missed") << "something may have happened";
  EXPECT_EQ(After(feed_.revision()), "nothing");
}

TEST_F(ChangeFeedTest, EveryChangeHasItsRevision) {
  feed_.Begin();
  const std::uint64_t begin = feed_.revision();
  Publish("a");
  Publish("b");
  EXPECT_EQ(feed_.revision(), begin + 2);
  EXPECT_EQ(After(begin), "a");
  EXPECT_EQ(After(begin + 1), "b");
  EXPECT_EQ(After(begin + 2), "nothing");
  EXPECT_EQ(After(begin, "b"), "b");
  EXPECT_EQ(After(begin, "c"), "nothing");
  EXPECT_EQ(After(begin + 3), "missed") << "it was never given";
}

TEST_F(ChangeFeedTest, TheOldestGoFirst) {
  feed_.Begin();
  const std::uint64_t begin = feed_.revision();
  for (int i = 0; i < 6; ++i) Publish(std::to_string(i));
  EXPECT_EQ(After(begin), "missed");
  EXPECT_EQ(After(begin + 1), "1");
}

TEST_F(ChangeFeedTest, LargeOnesTakeThePlaceOfMany) {
  feed_.Begin();
  const std::uint64_t begin = feed_.revision();
  for (int i = 0; i < 3; ++i) Publish(std::to_string(i), 4'000);
  EXPECT_EQ(After(begin), "missed");
  EXPECT_EQ(After(begin + 1), "1");
  Publish("too large to keep", 20'000);
  EXPECT_EQ(After(begin + 3), "missed");
  EXPECT_EQ(After(begin + 4), "nothing");
}

TEST_F(ChangeFeedTest, WhatWasLetGoOfIsMissed) {
  feed_.Begin();
  Publish("a");
  const std::uint64_t seen = feed_.revision();
  feed_.End();
  Publish("b");
  feed_.Begin();
  EXPECT_EQ(After(seen), "missed");
  EXPECT_GT(feed_.revision(), seen);
}

TEST_F(ChangeFeedTest, WhatTheStoreTellsHasTheRevisionsOfTheStore) {
  ChangeFeed feed(limits_);
  const auto publish = [&](std::uint64_t revision) {
    feed.PublishTold(storage::MakeStoreKey("default", "a"), std::nullopt, context_, revision);
  };
  feed.Begin();
  EXPECT_FALSE(feed.known());
  feed.Restart(100);
  EXPECT_TRUE(feed.known());
  for (const std::uint64_t revision : {110u, 111u, 150u}) publish(revision);
  feed.Advance(199);
  std::vector<std::uint64_t> told;
  for (std::uint64_t place = 100; place != 199;) {
    const auto next = feed.After(place, "");
    ASSERT_FALSE(next.missed);
    place = next.revision;
    told.push_back(place);
  }
  EXPECT_EQ(told, (std::vector<std::uint64_t>{110, 111, 150, 199}));
  EXPECT_EQ(feed.After(130, "").revision, 150u) << "one that is between two changes";
  EXPECT_TRUE(feed.After(99, "").missed);
  EXPECT_TRUE(feed.After(200, "").ahead);
  for (const std::uint64_t revision : {200u, 201u, 202u}) publish(revision);
  EXPECT_TRUE(feed.After(109, "").missed) << "the oldest has gone";
  EXPECT_FALSE(feed.After(110, "").missed);
  feed.Restart(300);
  EXPECT_TRUE(feed.After(202, "").missed) << "there was a gap";
  EXPECT_FALSE(feed.After(300, "").missed);
}

TEST_F(ChangeFeedTest, TheStoreIsAskedToBeginWhereTheFirstWatchersGoOn) {
  ChangeFeed feed(limits_);
  feed.Begin(200);
  feed.Begin(150);
  feed.Begin();
  EXPECT_EQ(feed.begin_after(), 150u);
  feed.Restart(150);
  feed.Begin(100);
  EXPECT_EQ(feed.begin_after(), 150u) << "it has begun";
  feed.End();
  feed.Forget();
  feed.Begin();
  EXPECT_EQ(feed.begin_after(), 0u);
}

TEST_F(ChangeFeedTest, AKeyThatIsGoneIsAbsent) {
  feed_.Begin();
  feed_.Publish(storage::MakeStoreKey("default", "a"), std::nullopt, context_);
  const auto next = feed_.After(feed_.revision() - 1, "");
  ASSERT_NE(next.change, nullptr);
  EXPECT_EQ(next.change->record().state(), v1::CheckResultResponse::ABSENT);
}

}  // namespace
}  // namespace latchkey
