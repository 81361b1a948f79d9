// Runs the demo as tools/demo does, on the first of its orders.

#include <chrono>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/temporary_directory.h"
#include "tools/process/child_process.h"
#include <gtest/gtest.h>

namespace latchkey::demo {
namespace {

constexpr int kRows = 130;
constexpr int kOrders = 101;

struct Outcome {
  int exit_code = -1;
  std::string output;
  std::map<std::string, int> counts;  // of the last line
};

class PaymentDemo : public ::testing::Test {
 protected:
  PaymentDemo() {
    std::ifstream shipped(LATCHKEY_ORDERS_CSV);
    std::ofstream orders(Orders());
    std::string line;
    for (int i = 0; i <= kRows && std::getline(shipped, line); ++i) orders << line << "\n";
  }

  Outcome Run(const std::vector<std::string>& arguments) {
    std::vector<std::string> command = {LATCHKEY_PAYMENT_DEMO, "--orders=" + Orders(),
                                        "--directory=" + directory_.path(),
                                        std::string("--latchkeyd=") + LATCHKEYD};
    command.insert(command.end(), arguments.begin(), arguments.end());
    auto demo = ChildProcess::Start({command, directory_ / "demo.log"});
    EXPECT_TRUE(demo.ok()) << demo.status();
    Outcome outcome;
    std::string last;
    while (demo->live()) {
      ChildProcess::WaitForOutput({&*demo}, std::chrono::minutes(1));
      for (const std::string& line : demo->TakeLines()) {
        outcome.output += line + "\n";
        last = line;
      }
    }
    outcome.exit_code = demo->Stop(std::chrono::minutes(1));
    std::istringstream fields(last);
    for (std::string field; fields >> field;) {
      const auto equals = field.find('=');
      if (equals != std::string::npos) {
        outcome.counts[field.substr(0, equals)] = std::stoi(field.substr(equals + 1));
      }
    }
    return outcome;
  }

 private:
  std::string Orders() const { return directory_.path() + "/orders.csv"; }

  TemporaryDirectory directory_;
};

TEST_F(PaymentDemo, PaysEveryOrderOnce) {
  Outcome run = Run({});
  EXPECT_EQ(run.exit_code, 0) << run.output;
  EXPECT_EQ(run.counts["orders"], kOrders) << run.output;
  EXPECT_EQ(run.counts["charges"] + run.counts["rejected"], kOrders) << run.output;
  EXPECT_GT(run.counts["charges"], kOrders / 2) << run.output;
  EXPECT_EQ(run.counts["duplicate_charges"], 0) << run.output;
  EXPECT_GT(run.counts["replays"], kOrders) << run.output;
  EXPECT_GT(run.counts["recovered"], 0) << run.output;
  EXPECT_EQ(run.counts["in_doubt"], 0) << run.output;
  EXPECT_GT(run.counts["conflicts"], 0) << run.output;
}

TEST_F(PaymentDemo, LeavesInDoubtWhatAProviderWithoutIdempotencyCannotTell) {
  Outcome run = Run({"--provider=no-idempotency"});
  EXPECT_EQ(run.exit_code, 0) << run.output;
  EXPECT_EQ(run.counts["charges"] + run.counts["rejected"] + run.counts["in_doubt"], kOrders)
      << run.output;
  EXPECT_EQ(run.counts["duplicate_charges"], 0) << run.output;
  EXPECT_GT(run.counts["in_doubt"], 0) << run.output;
  EXPECT_GT(run.counts["recovered"], 0) << run.output;
}

TEST_F(PaymentDemo, ChargesTwiceWithoutLatchkey) {
  Outcome run = Run({"--unsafe"});
  EXPECT_EQ(run.exit_code, 1) << run.output;
  EXPECT_EQ(run.counts["orders"], kOrders) << run.output;
  EXPECT_GT(run.counts["duplicate_charges"], 0) << run.output;
}

TEST_F(PaymentDemo, RefusesBadFlags) {
  EXPECT_EQ(Run({"--workers=0"}).exit_code, 2);
  EXPECT_EQ(Run({"--provider=free"}).exit_code, 2);
  EXPECT_EQ(Run({"--colour"}).exit_code, 2);
}

}  // namespace
}  // namespace latchkey::demo
