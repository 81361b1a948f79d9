// A server that cannot start says why in one line, exits with 2, and leaves nothing behind.

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "storage/rocksdb/rocksdb_record_store.h"
#include "storage/store_key.h"
#include "tests/end_to_end/process/program.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using testing::HasSubstr;

// Expects one line that has these words, and exit code 2.
void ExpectRefusal(const Ended& ended, const std::string& words) {
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_EQ(ended.standard_output, "");
  EXPECT_EQ(std::count(ended.standard_error.begin(), ended.standard_error.end(), '\n'), 1)
      << ended.standard_error;
  EXPECT_THAT(ended.standard_error, HasSubstr(words));
}

std::string StoreIn(const TemporaryDirectory& directory) {
  return "--store=rocksdb:" + directory.store();
}

TEST(BadStartTest, UnknownFlag) {
  ExpectRefusal(RunLatchkeyd({"--lisen-address=127.0.0.1:1"}), "--lisen-address");
}

TEST(BadStartTest, BadValueOfAFlag) {
  ExpectRefusal(RunLatchkeyd({"--partitions=none"}), "--partitions");
  ExpectRefusal(RunLatchkeyd({"--key-retention=90 days"}), "--key-retention");
  ExpectRefusal(RunLatchkeyd({"--store=postgresql:here"}), "--store");
  ExpectRefusal(RunLatchkeyd({"--listen-address=nonsense"}), "nonsense");
}

TEST(BadStartTest, UnknownSettingInTheFileNamesTheLine) {
  TemporaryDirectory directory;
  std::ofstream(directory / "latchkey.toml") << "log_level = \"info\"\n\nlog_leve = \"debug\"\n";
  ExpectRefusal(RunLatchkeyd({"--config=" + (directory / "latchkey.toml"), StoreIn(directory)}),
                "latchkey.toml:3: there is no setting \"log_leve\"");
  EXPECT_FALSE(std::filesystem::exists(directory / "store"));
}

TEST(BadStartTest, WrongSettingOfANamespaceNamesTheLineAndCreatesNothing) {
  TemporaryDirectory directory;
  const std::string config = directory / "latchkey.toml";
  std::ofstream(config) << "[namespaces.shop]\nlease_duration_max = \"16m\"\n";
  ExpectRefusal(RunLatchkeyd({"--config=" + config, StoreIn(directory)}),
                "latchkey.toml:2: lease_duration_max: \"16m\" is not from 100ms to 15m");
  std::ofstream(config) << "[namespaces.\"my shop\"]\nkey_retention = \"90d\"\n";
  ExpectRefusal(RunLatchkeyd({"--config=" + config, StoreIn(directory)}),
                "latchkey.toml:1: namespace \"my shop\": ");
  EXPECT_FALSE(std::filesystem::exists(directory / "store"));
}

TEST(BadStartTest, MissingFile) {
  ExpectRefusal(RunLatchkeyd({"--config=/nowhere/latchkey.toml"}), "/nowhere/latchkey.toml");
}

TEST(BadStartTest, PortInUseCreatesNothing) {
  RunningLatchkeyd other({"--store=memory:"});
  TemporaryDirectory directory;
  ExpectRefusal(RunLatchkeyd({"--listen-address=" + other.address(), StoreIn(directory)}),
                other.address());
  EXPECT_FALSE(std::filesystem::exists(directory / "store"));
}

TEST(BadStartTest, DirectoryThatIsInUse) {
  TemporaryDirectory directory;
  RunningLatchkeyd first({StoreIn(directory)});
  ExpectRefusal(RunLatchkeyd({"--listen-address=127.0.0.1:0", StoreIn(directory)}), "store");
  EXPECT_TRUE(first.Acquire("order:1", "a1").has_value());
}

TEST(BadStartTest, DirectoryWithSomethingElseInIt) {
  TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "store");
  std::ofstream(directory / "store/thesis.txt") << "two years of work\n";
  ExpectRefusal(RunLatchkeyd({"--listen-address=127.0.0.1:0", StoreIn(directory)}), "store");
  const std::filesystem::directory_iterator files(directory / "store");
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
}

// Held records enough for a table of their own, and a byte of it flipped.
void MakeDamagedStore(const std::string& directory) {
  auto store = storage::RocksDbRecordStore::Open(directory, {});
  ASSERT_TRUE(store.ok()) << store.status();
  storage::Record held;
  held.set_state(v1::CheckResultResponse::HELD);
  held.set_checkpoint(std::string(500, 'c'));
  std::vector<storage::Write> writes;
  for (int i = 0; i < 2000; ++i) {
    writes.push_back({.store_key = storage::MakeStoreKey("default", std::to_string(10'000 + i)),
                      .record = &held,
                      .assign_token = true});
  }
  ASSERT_TRUE((*store)->Commit(writes).ok());
  ASSERT_TRUE((*store)->Compact().ok());
  ASSERT_TRUE((*store)->Close().ok());
  for (const auto& file : std::filesystem::directory_iterator(directory + "/db")) {
    if (file.path().extension() != ".sst" || file.file_size() < 100'000) continue;
    std::fstream table(file.path(), std::ios::binary | std::ios::in | std::ios::out);
    const auto middle = static_cast<std::streamoff>(file.file_size() / 2);
    table.seekg(middle);
    const int byte = table.get();
    table.seekp(middle);
    table.put(static_cast<char>(byte ^ 1));
  }
}

TEST(BadStartTest, DamagedBlockOfHeldRecords) {
  TemporaryDirectory directory;
  ASSERT_NO_FATAL_FAILURE(MakeDamagedStore(directory.store()));
  const Ended ended = RunLatchkeyd({"--listen-address=127.0.0.1:0", StoreIn(directory)});
  ExpectRefusal(ended, "rocksdb:" + directory.store() + ": which keys are held or in doubt cannot");
  EXPECT_THAT(ended.standard_error, HasSubstr(".sst"));
}

TEST(BadStartTest, DirectoryThatCannotBeMade) {
  // Root may write anywhere, so the obstacle is one that stops root, too.
  TemporaryDirectory directory;
  std::ofstream(directory / "file") << "";
  ExpectRefusal(RunLatchkeyd({"--listen-address=127.0.0.1:0",
                              "--store=rocksdb:" + (directory / "file/store")}),
                "file");
}

TEST(BadStartTest, HelpAndVersionEndWell) {
  const Ended help = RunLatchkeyd({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.standard_output, HasSubstr("--listen-address"));
  const Ended version = RunLatchkeyd({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.standard_output, HasSubstr("latchkeyd "));
}

}  // namespace
}  // namespace latchkey
