// What a watcher at one server hears of what is committed through any, over one store.
#include "server/partition/store_changes.h"

#include "latchkey/v1/admin.pb.h"
#include "server/partition/change_feed.h"
#include "tests/partition/shared_servers.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using State = v1::CheckResultResponse;

class StoreChangesTest : public testing::Test {
 protected:
  StoreChangesTest() {
    auto retention =
        Retention::Start(world_.memory, world_.namespaces, world_.clock, {.limits = world_.limits});
    EXPECT_TRUE(retention.ok()) << retention.status();
    retention_ = *std::move(retention);
    PartitionEnvironment environment;
    environment.limits = &world_.limits;
    environment.namespaces = &world_.namespaces;
    environment.clock = &world_.clock;
    environment.store = &world_.memory;
    environment.retention = retention_.get();
    environment.changes = &feed_;
    changes_ = std::make_unique<StoreChanges>(environment);
  }

  // Somebody watches at a's server, from what is newest.
  void Watch() {
    feed_.Begin();
    changes_->Follow();
    ASSERT_TRUE(feed_.known());
    place_ = feed_.revision();
  }
  // What comes next, up to what is newest.
  std::vector<std::string> Read() {
    std::vector<std::string> read;
    while (true) {
      const auto next = feed_.After(place_, storage::MakeStoreKey("default", ""));
      if (next.missed) return {"missed"};
      place_ = next.revision;
      if (next.change == nullptr) return read;
      const auto& record = next.change->record();
      EXPECT_EQ(next.change->revision(), place_);
      read.push_back(record.key() + " " + State::State_Name(record.state()) + record.checkpoint());
    }
  }

  SharedWorld world_;
  ChangeFeed feed_{world_.limits};
  SharedServer a_{world_, &feed_};
  SharedServer b_{world_};
  std::unique_ptr<Retention> retention_;
  std::unique_ptr<StoreChanges> changes_;
  std::uint64_t place_ = 0;
};

TEST_F(StoreChangesTest, WhatEveryServerCommitsIsShownInItsOrderAndOnce) {
  const std::uint64_t before = b_.Do(Acquire("before", "one")).token();
  Watch();
  a_.deaf = true;  // what a partition has heard of makes no difference
  const std::uint64_t token = b_.Do(Acquire("k", "one")).token();
  auto renew = Renew("k", token);
  renew.set_checkpoint(" half");
  EXPECT_TRUE(b_.Do(renew).ok());
  EXPECT_TRUE(a_.Do(Succeed("k", token)).ok());
  EXPECT_TRUE(b_.Do(Release("before", before)).ok());
  EXPECT_THAT(Read(), ElementsAre("k HELD", "k HELD half", "k COMPLETED half", "before ABSENT"));
  EXPECT_THAT(Read(), IsEmpty());
}

TEST_F(StoreChangesTest, WhatChangesNothingIsNoChange) {
  const std::uint64_t token = a_.Do(Acquire("k", "one")).token();
  Watch();
  EXPECT_TRUE(b_.Do(Acquire("k", "two")).contended());
  EXPECT_TRUE(b_.Do(Check("k")).ok());
  a_.before_commit = [&] { EXPECT_TRUE(b_.Do(Succeed("k", token)).ok()); };
  a_.Do(Acquire("k", "three"));  // decides twice, and is told of the result
  EXPECT_THAT(Read(), ElementsAre("k COMPLETED"));
}

TEST_F(StoreChangesTest, TheNewestAtTheBeginningIsBelowAllThatFollows) {
  Watch();
  const std::uint64_t begin = place_;
  EXPECT_GT(begin, 0u);
  a_.Do(Acquire("a", "one"));
  b_.Do(Acquire("b", "one"));
  EXPECT_THAT(Read(), ElementsAre("a HELD", "b HELD"));
  place_ = begin;
  EXPECT_THAT(Read(), ElementsAre("a HELD", "b HELD")) << "resumed";
  place_ = begin - 1;
  EXPECT_THAT(Read(), ElementsAre("missed"));
}

TEST_F(StoreChangesTest, WhatComesWhileNobodyWatchesIsMissed) {
  Watch();
  a_.Do(Acquire("a", "one"));
  EXPECT_THAT(Read(), ElementsAre("a HELD"));
  const std::uint64_t seen = place_;
  feed_.End();
  b_.Do(Acquire("b", "one"));  // the store still tells
  Watch();
  place_ = seen;
  EXPECT_THAT(Read(), ElementsAre("missed"));
  feed_.End();
  changes_->Follow();
  EXPECT_FALSE(feed_.known());
  b_.Do(Acquire("c", "one"));  // it does not
  Watch();
  place_ = seen;
  EXPECT_THAT(Read(), ElementsAre("missed"));
  Watch();
  b_.Do(Acquire("d", "one"));
  EXPECT_THAT(Read(), ElementsAre("d HELD"));
}

TEST_F(StoreChangesTest, WhatWasCommittedUnderAnotherServerCanBeNewerThanAllThatIsKnown) {
  Watch();
  const auto next = feed_.After(place_ + 1, "");
  EXPECT_TRUE(next.missed);
  EXPECT_TRUE(next.ahead);
  a_.Do(Acquire("a", "one"));
  EXPECT_FALSE(feed_.After(place_ + 1, "").missed);
}

}  // namespace
}  // namespace latchkey
