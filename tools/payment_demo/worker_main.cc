// A worker of the demo: pays every row of an orders file, as its fellow workers do at the same
// time. Writes a line "ROW ENDING" to stdout for every row that it tried.

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tools/payment_demo/fate.h"
#include "tools/payment_demo/payer.h"
#include "tools/payment_demo/receipt.h"
#include <CLI/CLI.hpp>
#include <grpcpp/grpcpp.h>

namespace latchkey::demo {
namespace {

// Rows are shuffled within blocks of so many: near enough for workers to meet on the same order,
// far enough for them not to queue for one after the other.
constexpr std::size_t kBlock = 24;
// Rows that ended without an answer are tried again so often, so far apart: beyond the provider's
// longest call, so that what was still on its way has arrived when they are tried for the last
// time.
constexpr int kRounds = 5;
constexpr std::chrono::milliseconds kRoundPause = kLongestCall / 3;
constexpr std::chrono::hours kProviderRemembers{24};

struct Flags {
  std::string orders;
  std::string provider;
  std::string latchkey;
  std::string name = "worker";
  std::uint64_t seed = 1;
  bool provider_deduplicates = true;
  std::vector<std::size_t> settled;
  std::string failpoint;
};

void Say(std::size_t row, Ending ending) {
  std::printf("%zu %s\n", row, std::string(ToString(ending)).c_str());
  std::fflush(stdout);
}

std::vector<std::size_t> Schedule(std::size_t rows, std::uint64_t seed,
                                  const std::vector<std::size_t>& settled) {
  std::vector<std::size_t> schedule(rows);
  std::iota(schedule.begin(), schedule.end(), std::size_t{0});
  std::mt19937_64 random(seed);
  for (std::size_t begin = 0; begin < rows; begin += kBlock) {
    const std::size_t end = std::min(begin + kBlock, rows);
    std::shuffle(schedule.begin() + static_cast<std::ptrdiff_t>(begin),
                 schedule.begin() + static_cast<std::ptrdiff_t>(end), random);
  }
  const std::set<std::size_t> done(settled.begin(), settled.end());
  std::erase_if(schedule, [&](std::size_t row) { return done.contains(row); });
  return schedule;
}

// Stops this process, to be killed, if `failpoint` exists: between charge and record, with that
// row. Whoever finds the file takes it away, so that it stops one worker.
void StopAt(const std::string& failpoint, std::size_t row) {
  if (failpoint.empty() || unlink(failpoint.c_str()) != 0) return;
  Say(row, Ending::kCutOff);
  raise(SIGSTOP);
}

std::unique_ptr<Payer> MakePayer(const Flags& flags, Cashier* cashier,
                                 std::function<void()> charged) {
  if (flags.latchkey.empty()) return std::make_unique<UnsafePayer>(cashier);
  return std::make_unique<LatchkeyPayer>(
      Client::Connect(flags.latchkey, {.key_namespace = kNamespace, .holder_id = flags.name}),
      cashier, flags.provider_deduplicates ? kProviderRemembers : std::chrono::hours(0),
      std::move(charged));
}

int Work(const Flags& flags) {
  std::ifstream file(flags.orders);
  const auto orders = ReadOrders(file, flags.orders);
  if (!orders.ok()) {
    std::fprintf(stderr, "payment_worker: %s\n", std::string(orders.status().message()).c_str());
    return 2;
  }
  const auto channel = grpc::CreateChannel(flags.provider, grpc::InsecureChannelCredentials());
  Cashier cashier(v1::PaymentProvider::NewStub(channel));
  std::size_t row = 0;  // that is being paid
  const auto payer = MakePayer(flags, &cashier, [&] { StopAt(flags.failpoint, row); });
  // Pays the rows and answers those that are to be tried again.
  const auto pay = [&](const std::vector<std::size_t>& schedule) {
    std::vector<std::size_t> open;
    for (const std::size_t next : schedule) {
      row = next;
      const Ending ending = payer->Pay((*orders)[row]);
      if (!IsSettled(ending)) open.push_back(row);
      Say(row, ending);
    }
    return open;
  };
  auto open = pay(Schedule(orders->size(), flags.seed, flags.settled));
  for (int round = 0; round < kRounds && !open.empty(); ++round) {
    std::this_thread::sleep_for(kRoundPause);
    open = pay(open);
  }
  return 0;
}

}  // namespace
}  // namespace latchkey::demo

int main(int argc, char** argv) {
  latchkey::demo::Flags flags;
  CLI::App app(
      "Pays every row of an orders file, once per order, however many workers do the same.");
  app.add_option("--orders", flags.orders, "CSV file of the orders")->required();
  app.add_option("--provider", flags.provider, "Address of the payment provider")->required();
  app.add_option("--latchkey", flags.latchkey,
                 "Address of latchkeyd; without it nothing guards the payments");
  app.add_option("--name", flags.name, "What the worker calls itself");
  app.add_option("--seed", flags.seed, "Decides the order in which rows are paid");
  app.add_option("--provider-deduplicates", flags.provider_deduplicates,
                 "Whether the provider honours idempotency keys");
  app.add_option("--settled", flags.settled, "Rows to leave out, from 0: 3,17,18")->delimiter(',');
  app.add_option("--failpoint", flags.failpoint,
                 "While this file exists: takes it away after the next charge, and stops there");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return latchkey::demo::Work(flags);
}
