// A client of the crash tests: many callers at once, or, with --dump, the one that looks at what is
// left. Ends on SIGTERM.

#include <signal.h>
#include <sys/prctl.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tools/crash_test/caller.h"
#include "tools/crash_test/history.h"
#include "tools/crash_test/service.h"
#include "tools/crash_test/settle.h"
#include "tools/crash_test/stop_at_end.h"
#include <CLI/CLI.hpp>

namespace latchkey::crash {
namespace {

struct Options {
  std::string address;
  std::string history;
  std::string name;
  std::uint64_t seed = 1;
  int callers = 12;
  int connections = 1;
  bool over_session = false;
  std::string keys;
  std::string dump;
};

void RunCallers(const Options& options, History& history, const EndSignals& end) {
  std::vector<std::unique_ptr<Service>> services;
  services.reserve(static_cast<std::size_t>(options.connections));
  for (int number = 0; number < options.connections; ++number) {
    services.push_back(std::make_unique<Service>(options.address, history, options.over_session));
  }
  std::atomic<bool> stop = false;
  Claims claims;
  std::vector<std::thread> threads;
  threads.reserve(static_cast<std::size_t>(options.callers));
  for (int number = 0; number < options.callers; ++number) {
    threads.emplace_back([&, number] {
      Service& service = *services[static_cast<std::size_t>(number) % services.size()];
      Caller caller(service, claims, options.name + "-" + std::to_string(number),
                    options.seed * 1000 + static_cast<std::uint64_t>(number), stop);
      caller.Run();
    });
  }
  StopAtEnd(end, stop, threads);
}

int Run(const Options& options) {
  const EndSignals end;  // before any thread starts
  History history(options.history, options.name);
  if (options.dump.empty()) {
    RunCallers(options, history, end);
    return 0;
  }
  Service service(options.address, history, options.over_session);
  Settle(service);
  if (Dump(service, options.keys, options.dump)) return 0;
  std::fprintf(stderr, "crash_client: the records cannot be read; see %s\n",
               options.history.c_str());
  return 1;
}

}  // namespace
}  // namespace latchkey::crash

int main(int argc, char** argv) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  latchkey::crash::Options options;
  CLI::App app("A client of the crash tests; tools/crash starts it.");
  app.add_option("--address", options.address, "host and port of latchkeyd")->required();
  app.add_option("--history", options.history, "file to write the history to")->required();
  app.add_option("--name", options.name, "names this client in the history")->required();
  app.add_option("--seed", options.seed, "what the callers do");
  app.add_option("--callers", options.callers, "so many at once");
  app.add_option("--connections", options.connections, "so many, shared by the callers")
      ->check(CLI::PositiveNumber);
  app.add_flag("--session", options.over_session, "over a session, not by unary calls");
  app.add_option("--keys", options.keys, "with --dump: keys to show, if there is no record, too");
  app.add_option("--dump", options.dump, "let all keys come to rest, and write the records here");
  CLI11_PARSE(app, argc, argv);
  return latchkey::crash::Run(options);
}
