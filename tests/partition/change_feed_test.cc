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

TEST_F(ChangeFeedTest, AKeyThatIsGoneIsAbsent) {
  feed_.Begin();
  feed_.Publish(storage::MakeStoreKey("default", "a"), std::nullopt, context_);
  const auto next = feed_.After(feed_.revision() - 1, "");
  ASSERT_NE(next.change, nullptr);
  EXPECT_EQ(next.change->record().state(), v1::CheckResultResponse::ABSENT);
}

}  // namespace
}  // namespace latchkey
