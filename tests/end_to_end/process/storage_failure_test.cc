// The disk is full: nothing is acknowledged that is not kept, everybody hears UNAVAILABLE, and the
// process ends with exit code 3.

#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/end_to_end/process/program.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using std::chrono_literals::operator""s;
using State = v1::CheckResultResponse;

// A small file system in memory; goes with the object.
class SmallDisk {
 public:
  SmallDisk() { mounted_ = mount("tmpfs", directory_.path().c_str(), "tmpfs", 0, "size=24m") == 0; }
  ~SmallDisk() {
    if (mounted_) umount2(directory_.path().c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  std::string operator/(const std::string& name) const { return directory_ / name; }

  // Leaves about so many bytes free.
  void FillUpTo(std::uint64_t free_bytes) {
    std::ofstream file(directory_ / "ballast", std::ios::app);
    const std::string block(64 * 1024, 'x');
    while (std::filesystem::space(directory_.path()).available > free_bytes + block.size()) {
      file << block << std::flush;
    }
  }
  void Empty() { std::filesystem::remove(directory_ / "ballast"); }

 private:
  TemporaryDirectory directory_;
  bool mounted_ = false;
};

TEST(StorageFailureTest, FullDiskStopsTheServerAndLosesNothingAcknowledged) {
  SmallDisk disk;
  if (!disk.mounted()) GTEST_SKIP() << "mounting a tmpfs needs root";
  const std::vector<std::string> arguments = {"--store=rocksdb:" + (disk / "store"),
                                              "--storage-reserve-bytes=0"};
  std::vector<std::string> acknowledged;
  {
    RunningLatchkeyd server(arguments);
    disk.FillUpTo(2 * 1024 * 1024);
    const std::string payload(60 * 1024, 'p');
    grpc::Status status;
    for (int i = 0; status.ok(); ++i) {
      const std::string key = "order:" + std::to_string(i);
      const auto token = server.Acquire(key, "a1", &status);
      if (!token.has_value()) break;
      status = server.Record(key, *token, payload);
      if (status.ok()) acknowledged.push_back(key);
    }
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
    grpc::Status later;
    EXPECT_EQ(server.Acquire("order:later", "a1", &later), std::nullopt);
    EXPECT_EQ(later.error_code(), grpc::StatusCode::UNAVAILABLE) << later.error_message();
    EXPECT_EQ(server.AwaitEnd(10s), 3);
    EXPECT_THAT(server.Log(), testing::HasSubstr("event=store_failed"));
    EXPECT_THAT(server.Log(), testing::HasSubstr("free disk space"));
  }
  EXPECT_FALSE(acknowledged.empty());
  disk.Empty();
  RunningLatchkeyd server(arguments);
  for (const std::string& key : acknowledged) {
    ASSERT_EQ(server.Check(key).state(), State::COMPLETED) << "D1: " << key;
  }
  EXPECT_TRUE(server.Acquire("order:new", "a1").has_value());
}

TEST(StorageFailureTest, NearlyFullDiskRefusesOnlyNewRecords) {
  SmallDisk disk;
  if (!disk.mounted()) GTEST_SKIP() << "mounting a tmpfs needs root";
  RunningLatchkeyd server({"--store=rocksdb:" + (disk / "store"),
                           "--storage-reserve-bytes=" + std::to_string(4 * 1024 * 1024)});
  const auto token = server.Acquire("order:1", "a1").value();
  disk.FillUpTo(6 * 1024 * 1024);
  EXPECT_TRUE(server.AwaitLog("event=storage_nearly_full"));
  disk.FillUpTo(3 * 1024 * 1024);
  grpc::Status status;
  const auto until = std::chrono::steady_clock::now() + 20s;
  for (int i = 0; status.ok() && std::chrono::steady_clock::now() < until; ++i) {
    (void)server.Acquire("new:" + std::to_string(i), "a1", &status);
  }
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
  EXPECT_TRUE(server.AwaitLog("event=storage_full"));
  EXPECT_TRUE(server.Acquire("order:1", "a1").has_value());
  EXPECT_TRUE(server.Record("order:1", token).ok());
  disk.Empty();
  EXPECT_TRUE(server.AwaitLog("event=storage_has_room"));
}

}  // namespace
}  // namespace latchkey
