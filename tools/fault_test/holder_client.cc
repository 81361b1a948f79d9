// A client of the fault tests: holders of leases who use the library as it is shipped. Ends on
// SIGTERM.

#include <signal.h>
#include <sys/prctl.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "client/src/grpc_transport.h"
#include "client/src/rpc_connection.h"
#include "client/src/system_runtime.h"
#include "tools/crash_test/history.h"
#include "tools/crash_test/stop_at_end.h"
#include "tools/fault_test/holder.h"
#include "tools/fault_test/recording_transport.h"
#include <CLI/CLI.hpp>

namespace latchkey::faults {
namespace {

struct Options {
  std::string address;
  std::string history;
  std::string name;
  std::string resource;
  std::uint64_t seed = 1;
  std::size_t connections = 4;
  std::size_t holders = 2;
  bool over_session = false;
  Holder::Habits habits;
};

// As Client::Connect, with a history between the library and the network.
Client Connect(const Options& options, crash::History& history) {
  using namespace client::internal;  // NOLINT: these are the library's own parts
  const auto runtime = std::make_shared<SystemRuntime>();
  const auto kind = options.over_session ? TransportKind::kSession : TransportKind::kUnary;
  auto network = MakeGrpcTransport("ipv4:" + options.address, kind, runtime);
  Link link{.runtime = runtime,
            .transport = std::make_shared<RecordingTransport>(std::move(network), history),
            .rpc_timeout = std::chrono::seconds(2),
            .backoff = Backoff(std::chrono::milliseconds(5), std::chrono::milliseconds(100))};
  return Client(std::make_shared<RpcConnection>(std::move(link)),
                {.key_namespace = "holders", .holder_id = options.name});
}

int Run(const Options& options) {
  const EndSignals end;  // before any thread starts
  crash::History history(options.history, options.name);
  std::atomic<bool> stop = false;
  std::vector<Client> clients;
  clients.reserve(options.connections);
  for (std::size_t i = 0; i < options.connections; ++i) {
    clients.push_back(Connect(options, history));
  }
  std::vector<std::thread> threads;
  threads.reserve(options.connections * options.holders);
  for (std::size_t i = 0; i < options.connections * options.holders; ++i) {
    threads.emplace_back([&, i] {
      Holder holder(clients[i / options.holders], history, options.resource, options.habits,
                    options.seed * 1000 + i, stop);
      holder.Run();
    });
  }
  crash::StopAtEnd(end, stop, threads);
  return 0;
}

}  // namespace
}  // namespace latchkey::faults

int main(int argc, char** argv) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  latchkey::faults::Options options;
  CLI::App app("Holders of leases; tools/faults starts them.");
  app.add_option("--address", options.address, "host and port of latchkeyd")->required();
  app.add_option("--history", options.history, "file to write the history to")->required();
  app.add_option("--name", options.name, "names this client in the history")->required();
  app.add_option("--resource", options.resource, "socket of the resource")->required();
  app.add_option("--seed", options.seed, "what the holders do");
  app.add_option("--connections", options.connections, "so many connections");
  app.add_option("--holders", options.holders, "so many on each connection");
  app.add_flag("--session", options.over_session, "over sessions, not by unary calls");
  app.add_flag("--ignore-recover", options.habits.ignores_recover,
               "the control: a recovery is taken for a new payment");
  CLI11_PARSE(app, argc, argv);
  return latchkey::faults::Run(options);
}
