// The demo's payment provider as a process. Prints one line with its address once it serves, and
// "lost reply: order ID" for every answer that it loses; SIGTERM ends it.

#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "tools/payment_demo/provider.h"
#include "tools/process/end_signals.h"
#include <CLI/CLI.hpp>
#include <grpcpp/grpcpp.h>

namespace latchkey::demo {
namespace {

struct Flags {
  std::string ledger;
  std::string listen_address = "127.0.0.1:0";
  PaymentProvider::Keys keys = PaymentProvider::Keys::kHonoured;
  std::uint64_t seed = 1;
};

// Says which answers are going to be lost.
FateOf Announced(FateOf fate_of) {
  return [fate_of = std::move(fate_of)](std::string_view order_id, int call) {
    const Fate fate = fate_of(order_id, call);
    if (fate.mishap == Mishap::kReplyLost || fate.mishap == Mishap::kNoReply) {
      std::printf("lost reply: order %s\n", std::string(order_id).c_str());
      std::fflush(stdout);
    }
    return fate;
  };
}

int Serve(const Flags& flags) {
  const EndSignals end;  // before any thread starts

  auto ledger = Ledger::Open(flags.ledger);
  if (!ledger.ok()) {
    std::fprintf(stderr, "payment_provider: %s\n", std::string(ledger.status().message()).c_str());
    return 1;
  }
  PaymentProvider provider(*std::move(ledger), flags.keys, Announced(SeededFate(flags.seed)));
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(flags.listen_address, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&provider);
  const auto server = builder.BuildAndStart();
  if (!server || port == 0) {
    std::fprintf(stderr, "payment_provider: cannot listen on %s\n", flags.listen_address.c_str());
    return 1;
  }
  const std::string host = flags.listen_address.substr(0, flags.listen_address.rfind(':'));
  std::printf("payment_provider is serving on %s:%d\n", host.c_str(), port);
  std::fflush(stdout);

  end.Await();
  server->Shutdown(std::chrono::system_clock::now() + 2 * kLongestCall);
  return 0;
}

}  // namespace
}  // namespace latchkey::demo

int main(int argc, char** argv) {
  using latchkey::demo::PaymentProvider;
  latchkey::demo::Flags flags;
  const std::map<std::string, PaymentProvider::Keys> keys = {
      {"honoured", PaymentProvider::Keys::kHonoured}, {"ignored", PaymentProvider::Keys::kIgnored}};
  CLI::App app(
      "A payment provider to try Latchkey against: slow, forgetful on the wire, exact in its "
      "books.");
  app.add_option("--ledger", flags.ledger, "SQLite file of the charges; created where missing")
      ->required();
  app.add_option("--listen-address", flags.listen_address,
                 "Host and port; port 0 takes a free one");
  app.add_option("--idempotency", flags.keys, "Idempotency keys are honoured or ignored")
      ->transform(CLI::CheckedTransformer(keys));
  app.add_option("--seed", flags.seed, "Decides which calls are slow or lost");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return latchkey::demo::Serve(flags);
}
