// What started programs use of the processors, and what they have started themselves.

#include "tools/load_generator/cpu_time.h"

#include <ctime>
#include <thread>

#include "tools/process/child_process.h"
#include <gtest/gtest.h>

namespace latchkey::bench {
namespace {

using std::chrono_literals::operator""s;

constexpr std::chrono::duration<double> kWork = 0.1s;

TEST(CpuTimeTest, CountsTheChildrenOfAChild) {
  const auto before = CpuTimeOfStarted();
  // Ends by itself, as it is not our child.
  constexpr char kBusy[] = "sh -c 'i=0; while [ $i -lt 3000000 ]; do i=$((i+1)); done' & wait";
  auto shell = ChildProcess::Start({{"/bin/sh", "-c", kBusy}, "/dev/null"});
  ASSERT_TRUE(shell.ok()) << shell.status();
  while (CpuTimeOfStarted() - before < kWork) {
  }
}

TEST(CpuTimeTest, DoesNotCountItsOwn) {
  const auto before = CpuTimeOfStarted();
  const std::clock_t until = std::clock() + CLOCKS_PER_SEC / 20;
  while (std::clock() < until) {
  }
  EXPECT_EQ(CpuTimeOfStarted(), before);
}

TEST(CpuTimeTest, AShareIsOfAllProcessors) {
  EXPECT_DOUBLE_EQ(ShareOfProcessors(10s * std::thread::hardware_concurrency(), 20s), 0.5);
}

}  // namespace
}  // namespace latchkey::bench
