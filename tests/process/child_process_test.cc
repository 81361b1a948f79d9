#include "tools/process/child_process.h"

#include <signal.h>
#include <stdlib.h>

#include <chrono>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/temporary_directory.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::chrono::seconds kLong{60};

class ChildProcessTest : public ::testing::Test {
 protected:
  ChildProcess Shell(const std::string& script, std::vector<std::string> environment = {}) {
    auto child = ChildProcess::Start({{"/bin/sh", "-c", script}, Log(), std::move(environment)});
    EXPECT_TRUE(child.ok()) << child.status();
    return *std::move(child);
  }

  // Everything that it writes until it ends.
  static std::vector<std::string> AllLines(ChildProcess& child) {
    std::vector<std::string> all;
    while (child.live()) {
      ChildProcess::WaitForOutput({&child}, kLong);
      for (std::string& line : child.TakeLines()) all.push_back(std::move(line));
    }
    return all;
  }

  std::string Log() const { return directory_.path() + "/log"; }

  TemporaryDirectory directory_;
};

TEST_F(ChildProcessTest, HandsOverItsLinesAndItsExitCode) {
  ChildProcess child = Shell("echo one; printf 'tw'; echo o; exit 3");
  EXPECT_THAT(AllLines(child), ElementsAre("one", "two"));
  EXPECT_EQ(child.Stop(kLong), 3);
}

TEST_F(ChildProcessTest, WritesItsErrorsToTheLog) {
  ChildProcess child = Shell("echo oops >&2");
  AllLines(child);
  child.Stop(kLong);
  std::string line;
  std::getline(std::ifstream(Log()), line);
  EXPECT_EQ(line, "oops");
}

TEST_F(ChildProcessTest, EndsWhenItIsAskedTo) {
  ChildProcess child = Shell("trap 'exit 5' TERM; echo ready; while :; do :; done");
  while (child.TakeLines().empty()) ChildProcess::WaitForOutput({&child}, kLong);
  EXPECT_EQ(child.Stop(kLong), 5);
}

TEST_F(ChildProcessTest, IsKilledWhenItDoesNotListen) {
  ChildProcess child = Shell("trap '' TERM; echo ready; while :; do :; done");
  while (child.TakeLines().empty()) ChildProcess::WaitForOutput({&child}, kLong);
  EXPECT_EQ(child.Stop(std::chrono::milliseconds(20)), 128 + SIGKILL);
}

TEST_F(ChildProcessTest, HasOurEnvironmentAndTheAdditions) {
  setenv("LATCHKEY_TEST_OURS", "ours", 1);
  setenv("LATCHKEY_TEST_BOTH", "ours", 1);
  ChildProcess child = Shell("echo $LATCHKEY_TEST_OURS $LATCHKEY_TEST_BOTH $LATCHKEY_TEST_NEW",
                             {"LATCHKEY_TEST_BOTH=added", "LATCHKEY_TEST_NEW=new"});
  EXPECT_THAT(AllLines(child), ElementsAre("ours added new"));
}

TEST_F(ChildProcessTest, SaysNothingWhileItIsFrozen) {
  ChildProcess child = Shell("while :; do echo tick; done");
  while (child.TakeLines().empty()) ChildProcess::WaitForOutput({&child}, kLong);
  child.Freeze();
  child.TakeLines();  // what it had written before
  EXPECT_TRUE(child.TakeLines().empty());
  child.Thaw();
  while (child.TakeLines().empty()) ChildProcess::WaitForOutput({&child}, kLong);
  EXPECT_EQ(child.Kill(), 128 + SIGKILL);
}

// Whatever the parent dies of, and without a chance to say so.
TEST_F(ChildProcessTest, DiesWithTheThreadThatStartedIt) {
  std::optional<ChildProcess> child;
  std::thread([&] { child = Shell("exec sleep 60"); }).join();
  AllLines(*child);  // returns when it has ended
  EXPECT_EQ(child->Stop(kLong), 128 + SIGKILL);
}

TEST_F(ChildProcessTest, SaysWhatCannotBeStarted) {
  const auto child = ChildProcess::Start({{"/no/such/program"}, Log()});
  ASSERT_FALSE(child.ok());
  EXPECT_THAT(std::string(child.status().message()), HasSubstr("/no/such/program"));
}

}  // namespace
}  // namespace latchkey
