// Lost writes: RocksDB on a file system that forgets what was not synced, ended by crashes and
// failures at random points and opened again. Checks D1 to D4.
//
//   LATCHKEY_LOST_WRITE_REOPENINGS   how often (default 300; the long tier takes more)
//   LATCHKEY_SEED                    repeats a run
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <memory>
#include <random>
#include <thread>

#include "storage/rocksdb/rocksdb_record_store.h"
#include "tests/storage/lost_write_file_system.h"
#include "tests/storage/step_writer.h"
#include "tests/support/temporary_directory.h"
#include <gtest/gtest.h>

namespace latchkey::storage {
namespace {

using Operation = LostWriteFileSystem::Operation;

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

std::uint64_t Seed() {
  static const std::uint64_t seed = FromEnvironment(
      "LATCHKEY_SEED", (std::uint64_t{std::random_device()()} << 32) ^ std::random_device()());
  return seed;
}

// Lives of one store, one after the other, each ended in another way.
class Lives {
 public:
  Lives(std::uint64_t seed, bool sync)
      : random_(seed), sync_(sync), files_(std::make_shared<LostWriteFileSystem>()) {
    for (int id = 0; id < 2; ++id) writers_.emplace_back(seed, id);
  }

  // The answer is empty or names the invariant that was violated.
  std::string LiveOnce();

  struct Counts {
    std::uint64_t acknowledged = 0;
    std::uint64_t reopenings = 0;
    std::uint64_t refused_openings = 0;
    std::uint64_t failed_stores = 0;
    std::uint64_t clean_closes = 0;
    std::uint64_t power_losses = 0;
    std::uint64_t process_deaths = 0;
    std::uint64_t unacknowledged_kept = 0;
    std::uint64_t unacknowledged_lost = 0;
  };
  const Counts& counts() const { return counts_; }
  const LostWriteFileSystem& files() const { return *files_; }

 private:
  // Lets something go wrong soon, mostly.
  void Arm(bool opening);
  void ArmCrash(bool opening);
  void ArmFault(bool opening);
  std::string Check(RecordStore& store);
  std::string Write(RecordStore& store);
  std::string CheckLatched(RecordStore& store);
  std::uint64_t Faults() const;

  std::mt19937_64 random_;
  const bool sync_;
  TemporaryDirectory directory_;
  std::shared_ptr<LostWriteFileSystem> files_;
  std::vector<StepWriter> writers_;
  bool under_way_ = false;  // each writer had a step that failed when the last life ended
  Counts counts_;
};

void Lives::ArmCrash(bool opening) { files_->CrashAt(1 + random_() % (opening ? 60 : 300)); }

void Lives::ArmFault(bool opening) {
  const auto operation = static_cast<Operation>(random_() % LostWriteFileSystem::kOperations);
  const bool frequent = operation == Operation::kAppend || operation == Operation::kSync;
  files_->FailAt(operation,
                 1 + random_() % (!frequent ? 3
                                  : opening ? 12
                                            : 60),
                 random_() % 2 == 0 ? rocksdb::IOStatus::NoSpace("No space left on device")
                                    : rocksdb::IOStatus::IOError("Input/output error"));
}

void Lives::Arm(bool opening) {
  const std::uint64_t choice = random_() % 8;
  if (choice < 4) ArmCrash(opening);
  if (choice == 4 || choice == 5) ArmFault(opening);
}

std::uint64_t Lives::Faults() const {
  std::uint64_t faults = 0;
  for (const std::uint64_t count : files_->counts().faults) faults += count;
  return faults;
}

std::string Lives::LiveOnce() {
  const bool arm_before_opening = random_() % 3 == 0;
  if (arm_before_opening) Arm(/*opening=*/true);

  const std::uint64_t faults_before = Faults();
  RocksDbStoreOptions options;
  options.environment = MakeLostWriteEnvironment(files_);
  options.sync = sync_;
  options.token_block_size = 1 + random_() % 50;
  options.write_buffer_bytes = std::size_t{64} << 10;
  auto opened = RocksDbRecordStore::Open(directory_.store(), options);
  std::string violation;
  if (opened.ok()) {
    ++counts_.reopenings;
    RecordStore& store = **opened;
    violation = Check(store);
    const std::uint64_t faults_after_opening = Faults();
    if (!arm_before_opening) Arm(/*opening=*/false);
    if (violation.empty()) violation = Write(store);
    const bool must_fail = files_->crashed() || Faults() > faults_after_opening;
    if (violation.empty() && must_fail) violation = CheckLatched(store);
    if (violation.empty() && random_() % 3 == 0 && store.Close().ok()) ++counts_.clean_closes;
    opened->reset();
  } else {
    ++counts_.refused_openings;
    if (!files_->crashed() && Faults() == faults_before) {
      violation = "the store cannot be opened: " + opened.status().ToString();
    }
  }
  if (random_() % 4 == 0) {
    files_->Revive();
    ++counts_.process_deaths;
  } else {
    files_->LoseUnsynced(random_);
    ++counts_.power_losses;
  }
  return violation;
}

std::string Lives::Check(RecordStore& store) {
  for (StepWriter& writer : writers_) {
    const std::uint64_t steps = writer.steps();
    std::string wrong = writer.Recover(store);
    if (!wrong.empty()) {
      // A failed store says nothing about what is in it.
      return store.LoadState().ok() ? "D1-D3: " + wrong : "";
    }
    if (store.HighestToken() < writer.highest_token()) return "L2: tokens went back";
    if (under_way_)
      ++(writer.steps() > steps ? counts_.unacknowledged_kept : counts_.unacknowledged_lost);
  }
  under_way_ = false;
  return {};
}

std::string Lives::Write(RecordStore& store) {
  StepRunner runner(store);
  const std::uint64_t highest = std::max(writers_[0].highest_token(), writers_[1].highest_token());
  if (store.HighestToken() < highest) return "L2: tokens went back";
  std::string violations[2];
  std::uint64_t acknowledged[2] = {};
  std::vector<std::thread> threads;
  for (int id = 0; id < 2; ++id) {
    const std::uint64_t steps = 20 + random_() % 40;
    threads.emplace_back([&, id, steps] {
      violations[id] =
          runner.Run(writers_[id], steps,
                     [&, id](const Step&, const std::vector<WriteResult>&) { ++acknowledged[id]; });
    });
  }
  for (std::thread& thread : threads) thread.join();
  counts_.acknowledged += acknowledged[0] + acknowledged[1];
  under_way_ = runner.failed();
  return violations[0] + violations[1];
}

// A write or sync failed, if only in the background: the store must say so, soon and for ever.
std::string Lives::CheckLatched(RecordStore& store) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (store.LoadState().ok()) {
    if (std::chrono::steady_clock::now() > deadline) return "D4: a failure did not latch";
    std::this_thread::yield();
  }
  ++counts_.failed_stores;
  const std::string key = "key";
  const Record record;
  const absl::Status answers[] = {store.Load({&key, 1}).status(), store.Commit({}).status(),
                                  store.Scan({}).status(), store.SaveState({}),
                                  store.LoadState().status()};
  for (const absl::Status& answer : answers) {
    if (answer.code() != absl::StatusCode::kUnavailable) {
      return "D4: a failed store answered " + answer.ToString();
    }
  }
  return {};
}

void Print(const Lives& lives) {
  const auto files = lives.files().counts();
  const auto& counts = lives.counts();
  std::cout << "seed=" << Seed() << " acknowledged=" << counts.acknowledged
            << " reopenings=" << counts.reopenings
            << " refused_openings=" << counts.refused_openings
            << " failed_stores=" << counts.failed_stores << " clean_closes=" << counts.clean_closes
            << " power_losses=" << counts.power_losses
            << " process_deaths=" << counts.process_deaths
            << " unacknowledged_kept=" << counts.unacknowledged_kept
            << " unacknowledged_lost=" << counts.unacknowledged_lost << " syncs=" << files.syncs
            << " tables_created=" << files.tables_created << " failed_creates=" << files.faults[0]
            << " failed_appends=" << files.faults[1] << " failed_syncs=" << files.faults[2]
            << " failed_renames=" << files.faults[3]
            << " failed_directory_syncs=" << files.faults[4]
            << " dropped_bytes=" << files.dropped_bytes << " torn_files=" << files.torn_files
            << " vanished_entries=" << files.vanished_entries
            << " undone_renames=" << files.undone_renames << std::endl;
}

// Nothing checked is not nothing wrong.
bool ExercisedEverything(const Lives& lives) {
  const auto& counts = lives.counts();
  const auto files = lives.files().counts();
  const std::uint64_t floors[] = {
      counts.acknowledged,        counts.refused_openings,    counts.failed_stores,
      counts.clean_closes,        counts.power_losses,        counts.process_deaths,
      counts.unacknowledged_kept, counts.unacknowledged_lost, files.syncs,
      files.tables_created,       files.dropped_bytes,        files.torn_files,
      files.vanished_entries};
  const auto some = [](std::uint64_t count) { return count > 0; };
  return std::all_of(std::begin(floors), std::end(floors), some) &&
         std::all_of(std::begin(files.faults), std::end(files.faults), some);
}

TEST(LostWriteTest, AcknowledgedStepsSurviveEveryEnd) {
  Lives lives(Seed(), /*sync=*/true);
  // Goes on where chance has left something out, but not for ever.
  const std::uint64_t wanted = FromEnvironment("LATCHKEY_LOST_WRITE_REOPENINGS", 300);
  while (lives.counts().reopenings < wanted ||
         (!ExercisedEverything(lives) && lives.counts().reopenings < 10 * wanted)) {
    const std::string violation = lives.LiveOnce();
    ASSERT_EQ(violation, "") << "after " << lives.counts().reopenings
                             << " reopenings; repeat with LATCHKEY_SEED=" << Seed();
  }
  Print(lives);
  EXPECT_TRUE(ExercisedEverything(lives));
}

// Every single point at which making a store, opening one or a first step can be cut off: by a loss
// of power, or by the end of the process alone, and then the power fails after its successor has
// worked.
TEST(LostWriteTest, EveryCrashPointOfOpening) {
  std::mt19937_64 random(Seed());
  std::uint64_t undone_renames = 0;
  std::uint64_t points = 0;
  for (const bool exists : {false, true}) {
    for (int variant = 0; variant < 4; ++variant) {
      const bool power_fails_later = variant >= 2;
      bool crashed = true;
      for (std::uint64_t point = 1; crashed; ++point, ++points) {
        TemporaryDirectory directory;
        auto files = std::make_shared<LostWriteFileSystem>();
        StepWriter writer(Seed() + point, 0);
        const auto run = [&](std::uint64_t steps) {
          RocksDbStoreOptions options;
          options.environment = MakeLostWriteEnvironment(files);
          auto opened = RocksDbRecordStore::Open(directory.store(), options);
          if (!opened.ok()) return opened.status().ToString();
          std::string wrong = writer.Recover(**opened);
          if (!wrong.empty()) return wrong;
          StepRunner runner(**opened);
          wrong = runner.Run(writer, steps, [](const auto&, const auto&) {});
          return wrong.empty() && runner.failed() ? "a step failed" : wrong;
        };
        if (exists) {
          ASSERT_EQ(run(10), "");
        }
        files->CrashAt(point);
        run(3);
        crashed = files->crashed();
        if (power_fails_later) {
          files->Revive();
          ASSERT_EQ(run(3), "") << "crash point " << point << ", LATCHKEY_SEED=" << Seed();
        }
        files->LoseUnsynced(random);
        ASSERT_EQ(run(3), "") << "crash point " << point << ", LATCHKEY_SEED=" << Seed();
        undone_renames += files->counts().undone_renames;
      }
    }
  }
  std::cout << "crash_points=" << points << " undone_renames=" << undone_renames << std::endl;
  EXPECT_GT(points, 100u);
  EXPECT_GT(undone_renames, 0u);
}

// The control: the same without syncs must be found out, or the tests above would find nothing
// either.
TEST(LostWriteTest, WithoutSyncsALossIsFound) {
  std::uint64_t reopenings = 0;
  std::string violation;
  for (std::uint64_t run = 0; run < 20 && !violation.starts_with("D1"); ++run) {
    Lives lives(Seed() + run, /*sync=*/false);
    violation.clear();
    while (violation.empty() && lives.counts().reopenings < 50) violation = lives.LiveOnce();
    reopenings += lives.counts().reopenings;
  }
  EXPECT_TRUE(violation.starts_with("D1")) << violation;
  std::cout << "found after " << reopenings << " reopenings: " << violation << std::endl;
}

}  // namespace
}  // namespace latchkey::storage
