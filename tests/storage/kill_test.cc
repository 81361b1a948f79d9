// Kills a process with SIGKILL while it writes to a store, again and again, and checks what is left
// (D1 to D3). The process keeps what it did not sync in its own memory, so that the kill loses it.
//
//   LATCHKEY_KILLS   how often (default 25)
//   LATCHKEY_SEED    repeats the steps of a run; when the kills come is up to the machine
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <random>
#include <sstream>

#include "storage/rocksdb/rocksdb_record_store.h"
#include "tests/storage/step_writer.h"
#include "tests/support/temporary_directory.h"
#include <gtest/gtest.h>

extern char** environ;

namespace latchkey::storage {
namespace {

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

// A running lost_write_child.
class Child {
 public:
  explicit Child(std::vector<std::string> arguments) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    arguments.insert(arguments.begin(), LATCHKEY_LOST_WRITE_CHILD);
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    if (::posix_spawn(&process_, pointers[0], &actions, nullptr, pointers.data(), environ) != 0) {
      std::abort();
    }
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    output_ = ::fdopen(ends[0], "r");
  }
  ~Child() {
    if (process_ != 0) Kill();
    std::fclose(output_);
  }

  // The next line that it prints; empty when it is gone.
  std::string ReadLine() {
    char line[256];
    return std::fgets(line, sizeof(line), output_) == nullptr ? "" : line;
  }

  // Kills it; what it printed can still be read. Whether it was alive until then.
  bool Kill() {
    ::kill(process_, SIGKILL);
    int status = 0;
    ::waitpid(process_, &status, 0);
    process_ = 0;
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  }

 private:
  pid_t process_ = 0;
  std::FILE* output_ = nullptr;
};

// Repeats what the child said was acknowledged.
void Follow(const std::string& line, std::vector<StepWriter>& writers) {
  std::istringstream words(line);
  std::size_t id = 0;
  std::uint64_t number = 0;
  words >> id >> number;
  ASSERT_LT(id, writers.size());
  const Step step = writers[id].Next();
  ASSERT_EQ(step.number, number);
  std::vector<WriteResult> results;
  for (const Write& write : step.writes) {
    WriteResult& result = results.emplace_back();
    result.revision = write.record == nullptr ? 0 : 1;  // which one does not matter here
    if (write.assign_token) words >> result.token;
  }
  writers[id].Apply(step, results);
}

TEST(KillTest, AcknowledgedStepsSurviveKill9) {
  const std::uint64_t seed = FromEnvironment("LATCHKEY_SEED", std::random_device()());
  const std::uint64_t kills = FromEnvironment("LATCHKEY_KILLS", 25);
  std::mt19937_64 random(seed);
  TemporaryDirectory directory;
  std::vector<StepWriter> writers = {{seed, 0}, {seed, 1}};
  std::uint64_t acknowledged = 0;
  std::uint64_t kept = 0;
  std::uint64_t lost = 0;
  for (std::uint64_t kill = 0; kill < kills; ++kill) {
    Child child({directory.store(), std::to_string(seed), std::to_string(writers[0].steps()),
                 std::to_string(writers[1].steps())});
    std::uint64_t lines = 0;
    const auto follow = [&](const std::string& line) {
      Follow(line, writers);
      ++lines;
    };
    for (std::uint64_t until = 1 + random() % 100; lines < until;) {
      const std::string line = child.ReadLine();
      ASSERT_NE(line, "") << "the child ended by itself";
      ASSERT_NO_FATAL_FAILURE(follow(line));
    }
    ASSERT_TRUE(child.Kill());
    for (std::string line = child.ReadLine(); !line.empty(); line = child.ReadLine()) {
      ASSERT_NO_FATAL_FAILURE(follow(line));
    }
    acknowledged += lines;

    auto opened = RocksDbRecordStore::Open(directory.store(), {});
    ASSERT_TRUE(opened.ok()) << opened.status();
    for (StepWriter& writer : writers) {
      const std::uint64_t steps = writer.steps();
      ASSERT_GE((*opened)->HighestToken(), writer.highest_token());
      ASSERT_EQ(writer.Recover(**opened), "") << "after kill " << kill << ", seed " << seed;
      ++(writer.steps() > steps ? kept : lost);
    }
    ASSERT_TRUE((*opened)->Close().ok());
  }
  std::cout << "seed=" << seed << " kills=" << kills << " acknowledged=" << acknowledged
            << " unacknowledged_kept=" << kept << " unacknowledged_lost=" << lost << std::endl;
  EXPECT_GT(acknowledged, kills);
  EXPECT_GT(lost, 0u);
}

}  // namespace
}  // namespace latchkey::storage
