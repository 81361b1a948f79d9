// The payment demo. Exit code 0: every check passed. 1: not, or the run could not be done. 2: bad
// flags.

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <map>
#include <string>

#include "tools/payment_demo/demo.h"
#include <CLI/CLI.hpp>

int main(int argc, char** argv) {
  latchkey::demo::DemoOptions options;
  bool unsafe = false;
  std::string latchkeyd;
  const std::map<std::string, bool> providers = {{"idempotent", true}, {"no-idempotency", false}};
  CLI::App app(
      "Pays the orders of a CSV file by several workers at once, each order once, and proves it.");
  app.add_option("--orders", options.orders, "CSV file of the orders")->required();
  app.add_option("--directory", options.directory,
                 "An empty directory for ledger, records and logs")
      ->required()
      ->check(CLI::ExistingDirectory);
  app.add_option("--latchkeyd", latchkeyd, "The latchkeyd to start; needed unless --unsafe");
  app.add_flag("--unsafe", unsafe, "The control: the same workers without Latchkey");
  app.add_option("--provider", options.keys_honoured,
                 "What the provider does with idempotency keys")
      ->transform(CLI::CheckedTransformer(providers));
  app.add_option("--workers", options.workers, "How many workers pay")->check(CLI::Range(1, 64));
  app.add_option("--seed", options.seed,
                 "Decides what goes wrong, and in which order rows are paid");
  try {
    app.parse(argc, argv);
    if (!unsafe && latchkeyd.empty()) throw CLI::RequiredError("--latchkeyd (or --unsafe)");
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (!unsafe) options.latchkeyd = latchkeyd;
  options.programs = std::filesystem::read_symlink("/proc/self/exe").parent_path();

  const auto passed = latchkey::demo::Demo(options).Run(std::cout);
  if (!passed.ok()) {
    std::fprintf(stderr, "payment_demo: %s\n", std::string(passed.status().message()).c_str());
    return 1;
  }
  return *passed ? 0 : 1;
}
