// Runs the demo as tools/demo does, on the first of its orders.

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/temporary_directory.h"
#include "tools/payment_demo/receipt.h"
#include "tools/payment_demo/records.h"
#include "tools/process/child_process.h"
#include "tools/process/server_process.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey::demo {
namespace {

using ::testing::HasSubstr;

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
    return RunCommand(command);
  }

  // Ends like tools/demo --chaos, but sooner.
  Outcome RunChaos(std::vector<std::string> arguments) {
    for (const char* argument :
         {"--chaos", "--worst-moments=3", "--any-moments=3", "--server-kills=2"}) {
      arguments.emplace_back(argument);
    }
    return Run(arguments);
  }

  Outcome RunCommand(const std::vector<std::string>& command) {
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
        outcome.counts[field.substr(0, equals)] = std::atoi(field.c_str() + equals + 1);
      }
    }
    return outcome;
  }

  std::string InDirectory(const std::string& file) const { return directory_ / file; }

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

TEST_F(PaymentDemo, PaysEveryOrderOnceThoughAllAreKilled) {
  Outcome run = RunChaos({});
  EXPECT_EQ(run.exit_code, 0) << run.output;
  EXPECT_EQ(run.counts["orders"], kOrders) << run.output;
  EXPECT_EQ(run.counts["charges"] + run.counts["rejected"], kOrders) << run.output;
  EXPECT_EQ(run.counts["duplicate_charges"], 0) << run.output;
  EXPECT_GE(run.counts["recovered"], 3) << run.output;
  EXPECT_EQ(run.counts["in_doubt"], 0) << run.output;
  EXPECT_THAT(run.output, HasSubstr("x latchkeyd  killed")) << run.output;
  EXPECT_THAT(run.output, HasSubstr("+ worker-")) << run.output;
}

// The printed lines settle a doubtful order, on the store that was kept.
TEST_F(PaymentDemo, TellsHowToSettleWhatTheKillingLeftInDoubt) {
  Outcome run = RunChaos({"--provider=no-idempotency", "--keep=" + InDirectory("kept")});
  ASSERT_EQ(run.exit_code, 0) << run.output;
  EXPECT_EQ(run.counts["charges"] + run.counts["rejected"] + run.counts["in_doubt"], kOrders)
      << run.output;
  EXPECT_EQ(run.counts["duplicate_charges"], 0) << run.output;
  ASSERT_GT(run.counts["in_doubt"], 0) << run.output;

  auto server = ServerProcess::Start(
      {{LATCHKEYD, "--store=rocksdb:" + InDirectory("kept/store"), "--listen-address=127.0.0.1:0"},
       InDirectory("latchkeyd.log")});
  ASSERT_TRUE(server.ok()) << server.status();
  const auto in_doubt = [&] {
    const auto records = ListRecords(server->address(), kNamespace);
    return std::ranges::count(*records, latchkey::v1::CheckResultResponse::IN_DOUBT,
                              &latchkey::v1::Record::state);
  };
  EXPECT_EQ(in_doubt(), run.counts["in_doubt"]);

  const std::string method = "latchkey.v1.AdminService/ResolveOutcome\n";
  const std::size_t begin = run.output.find("  grpcurl ") + std::string("  grpcurl ").size();
  std::string arguments = run.output.substr(begin, run.output.find(method) + method.size() - begin);
  arguments.replace(arguments.find("localhost:7420"), std::string("localhost:7420").size(),
                    server->address());
  const Outcome settled =
      RunCommand({"/bin/bash", "-c", std::string(LATCHKEY_GRPCURL) + " " + arguments});
  EXPECT_EQ(settled.exit_code, 0) << arguments << settled.output;
  EXPECT_EQ(in_doubt(), run.counts["in_doubt"] - 1) << arguments << settled.output;
}

TEST_F(PaymentDemo, KeepsNothingWhereThereIsSomething) {
  EXPECT_EQ(Run({"--keep=" + InDirectory("")}).exit_code, 1);
  EXPECT_EQ(Run({"--keep=" + InDirectory("no/such/parent")}).exit_code, 1);
}

TEST_F(PaymentDemo, RefusesBadFlags) {
  EXPECT_EQ(Run({"--workers=0"}).exit_code, 2);
  EXPECT_EQ(Run({"--provider=free"}).exit_code, 2);
  EXPECT_EQ(Run({"--colour"}).exit_code, 2);
  EXPECT_EQ(Run({"--chaos", "--unsafe"}).exit_code, 2);
  EXPECT_EQ(Run({"--worst-moments=3"}).exit_code, 2);
}

}  // namespace
}  // namespace latchkey::demo
