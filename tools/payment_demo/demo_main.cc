// The payment demo. Exit code 0: every check passed. 1: not, or the run could not be done. 2: bad
// flags.

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <map>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>

#include "tools/payment_demo/demo.h"
#include <CLI/CLI.hpp>

namespace latchkey::demo {
namespace {

struct Flags {
  DemoOptions options;
  std::string keep;
  bool unsafe = false;
  bool chaos = false;
  Kills kills;
};

void Declare(CLI::App& app, Flags* flags) {
  const std::map<std::string, bool> providers = {{"idempotent", true}, {"no-idempotency", false}};
  DemoOptions& options = flags->options;
  app.add_option("--orders", options.orders, "CSV file of the orders")->required();
  app.add_option("--directory", options.directory,
                 "An empty directory for ledger, records and logs")
      ->required()
      ->check(CLI::ExistingDirectory);
  auto* keep = app.add_option("--keep", flags->keep,
                              "Make this directory, take it instead, and say how to go on with it");
  app.add_option("--latchkeyd", options.latchkeyd, "The latchkeyd to start")->required();
  app.add_option("--provider", options.keys_honoured,
                 "What the provider does with idempotency keys")
      ->transform(CLI::CheckedTransformer(providers));
  app.add_flag("--cluster", options.cluster, "Three latchkeyd over three members of etcd")
      ->excludes(keep);
  auto* chaos = app.add_flag("--chaos", flags->chaos, "Kill workers and latchkeyd meanwhile");
  for (auto [name, count, what] :
       {std::tuple("--worst-moments", &flags->kills.worst_moments,
                   "workers between charge and record"),
        std::tuple("--any-moments", &flags->kills.any_moments, "workers at any moment"),
        std::tuple("--server-kills", &flags->kills.servers, "latchkeyd")}) {
    app.add_option(name, *count, std::string("How often to kill ") + what)
        ->needs(chaos)
        ->check(CLI::Range(0, 100))
        ->capture_default_str();
  }
  app.add_flag("--unsafe", flags->unsafe,
               "The control: the same workers without Latchkey; nobody need be killed for that")
      ->excludes(chaos)
      ->excludes(keep);
  app.add_option("--workers", options.workers, "How many workers pay")->check(CLI::Range(1, 64));
  app.add_option("--seed", options.seed,
                 "Decides what goes wrong, and in which order rows are paid");
}

int Fail(const std::string& why) {
  std::fprintf(stderr, "payment_demo: %s\n", why.c_str());
  return 1;
}

int Run(Flags flags) {
  DemoOptions& options = flags.options;
  options.programs = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  if (flags.unsafe) options.latchkeyd.clear();
  if (flags.chaos) options.chaos = flags.kills;
  if (!flags.keep.empty()) {
    std::error_code error;
    if (!std::filesystem::create_directory(flags.keep, error)) {
      return Fail("cannot make " + flags.keep + ": " + (error ? error.message() : "it is there"));
    }
    options.directory = flags.keep;
    options.kept = true;
  }
  const auto passed = Demo(options).Run(std::cout);
  if (!passed.ok()) return Fail(std::string(passed.status().message()));
  return *passed ? 0 : 1;
}

}  // namespace
}  // namespace latchkey::demo

int main(int argc, char** argv) {
  latchkey::demo::Flags flags;
  CLI::App app(
      "Pays the orders of a CSV file by several workers at once, each order once, and proves it.");
  latchkey::demo::Declare(app, &flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return latchkey::demo::Run(std::move(flags));
}
