#include "tools/process/server_process.h"

#include <string>

#include "tests/support/temporary_directory.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using ::testing::HasSubstr;

class ServerProcessTest : public ::testing::Test {
 protected:
  absl::StatusOr<ServerProcess> Start(
      const std::string& script, std::chrono::milliseconds patience = std::chrono::minutes(1)) {
    return ServerProcess::Start({{"/bin/sh", "-c", script}, directory_ / "log"}, patience);
  }

 private:
  TemporaryDirectory directory_;
};

TEST_F(ServerProcessTest, LearnsWhereItServes) {
  auto server = Start("echo starting; echo name is serving on 127.0.0.1:4711; exec sleep 60");
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ(server->address(), "127.0.0.1:4711");
  EXPECT_TRUE(server->process().live());
}

TEST_F(ServerProcessTest, SaysWhyItDoesNotServe) {
  const auto server = Start("echo first >&2; echo the port is taken >&2; exit 2");
  ASSERT_FALSE(server.ok());
  EXPECT_THAT(std::string(server.status().message()), HasSubstr("serve: the port is taken"));
}

TEST_F(ServerProcessTest, IsNotWaitedForForEver) {
  const auto server = Start("exec sleep 60", std::chrono::milliseconds(20));
  ASSERT_FALSE(server.ok());
  EXPECT_THAT(std::string(server.status().message()), HasSubstr("it said nothing"));
}

}  // namespace
}  // namespace latchkey
