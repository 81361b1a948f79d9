// Nothing that can happen to one key of a partition at small scope breaks a promise; and the search
// does find what is broken on purpose, with a trace that cannot be shorter.
//
// LATCHKEY_SEARCH_SECONDS searches further, for so long; see tests/support/search_report.h.
#include "tests/partition/search.h"

#include <iostream>

#include "storage/record_codec.h"
#include "tests/partition/search_world.h"
#include <gtest/gtest.h>

namespace latchkey::search {
namespace {

void NothingBreaks(Scope scope, int depth) {
  scope.bounds.depth = depth;
  scope.bounds = scope.bounds.OrFromEnvironment();
  Server server;
  const SearchReport report = Search(server, scope);
  std::cout << Describe(report);
  EXPECT_EQ(report.violation, "");
  EXPECT_GT(report.states, 10'000u);
}

// Everything there is, two calls in a batch.
TEST(PartitionSearchTest, NothingInBatchesOfTwoBreaksAPromise) { NothingBreaks({}, 7); }

// With each call decided by itself there is less in a depth, so it can be greater.
TEST(PartitionSearchTest, NothingOneByOneBreaksAPromise) {
  NothingBreaks({.batch = 1, .bounds = {}}, 10);
}

TEST(PartitionSearchTest, NothingInBatchesOfThreeBreaksAPromise) {
  NothingBreaks({.batch = 3, .no_recover = false, .checks = false, .bounds = {}}, 7);
}

// Whatever on_lapse the callers ask for, with leases that are made longer.
TEST(PartitionSearchTest, NoOnLapseBreaksAPromise) {
  NothingBreaks({.callers = 2,
                 .attempts = 2,
                 .batch = 1,
                 .every_on_lapse = true,
                 .longer = true,
                 .checks = false,
                 .bounds = {}},
                8);
}

TEST(PartitionSearchTest, NoFingerprintBreaksAPromise) {
  NothingBreaks({.batch = 1, .admin = false, .faults = false, .fingerprints = true, .bounds = {}},
                9);
}

// The partition never hears that a caller went away.
class CancelIsForgotten : public Server {
 public:
  void Cancel(World&, std::size_t) override {}
};

// A restart takes up the leases that it finds, and gives them no time.
class RestartGivesNoTime : public Server {
 public:
  void Restart(World& world) override { world.harness().RestartWithoutServing(); }
};

// A crash loses what was committed.
class CommitIsLost : public Server {
 public:
  void Restart(World& world) override {
    storage::v1::Record nothing;
    nothing.set_state(v1::CheckResultResponse::ABSENT);
    std::string bytes;
    storage::EncodeRecord(nothing, &bytes);
    world.harness().memory.PutBytes(storage::MakeStoreKey("default", kKey), bytes);
    Server::Restart(world);
  }
};

struct Seeded {
  const char* name;
  Server* server;
  const char* invariant;
  std::size_t moves;
};

void PrintTo(const Seeded& seeded, std::ostream* out) { *out << seeded.name; }

class SeededServerTest : public ::testing::TestWithParam<Seeded> {};

TEST_P(SeededServerTest, IsFoundByItsInvariantWithAMinimalTrace) {
  const SearchReport report = Search(*GetParam().server, Scope());
  EXPECT_EQ(report.violation, GetParam().invariant) << Describe(report);
  EXPECT_EQ(report.trace.size(), GetParam().moves) << Describe(report);
}

CancelIsForgotten cancel_is_forgotten;
RestartGivesNoTime restart_gives_no_time;
CommitIsLost commit_is_lost;

constexpr Seeded kSeeded[] = {
    {"CancelIsForgotten", &cancel_is_forgotten, "L9", 3},
    {"RestartGivesNoTime", &restart_gives_no_time, "L4", 5},
    {"CommitIsLost", &commit_is_lost, "D1", 3},
};

INSTANTIATE_TEST_SUITE_P(, SeededServerTest, ::testing::ValuesIn(kSeeded),
                         [](const auto& seeded) { return std::string(seeded.param.name); });

}  // namespace
}  // namespace latchkey::search
