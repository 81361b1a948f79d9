// The load generator behind tools/bench.

#include <cstdio>

#include "tools/load_generator/benches.h"
#include <CLI/CLI.hpp>

namespace {

void MakeQuick(latchkey::bench::BenchOptions& options) {
  options.repetitions = 1;
  options.warm_up = std::chrono::milliseconds(200);
  options.measure = std::chrono::milliseconds(1000);
  options.concurrencies = {1, 16, 64};
  options.completed_records = 2'000;
  options.live_leases = 200;
  options.waiters = 300;
  options.hot_keys = 20;
  options.waiters_of_hot_keys = 10;
  options.hostile_connections = 100;
  options.hostile_waiters = 2'000;
  options.hostile_readers = 5;
  options.hostile_reads = 200;
}

}  // namespace

int main(int argc, char** argv) {
  using latchkey::bench::BenchOptions;
  CLI::App app("latchkey_bench: measures Latchkey beside what it is made of", "tools/bench");
  app.require_subcommand(1);
  BenchOptions options;
  double seconds = 10;
  double retention_seconds = 600;
  app.add_option("--latchkeyd", options.latchkeyd)->required();
  app.add_option("--echo", options.echo)->required();
  app.add_option("--output", options.output, "directory for JSON and scratch files");
  const auto* repetitions = app.add_option(
      "--repetitions", options.repetitions,
      "medians over so many [3; 7 for credentials and tenants, which differ by little]");
  app.add_option("--seconds", seconds, "measured in each repetition, after a warm-up");
  app.add_option("--concurrency", options.concurrency, "flows in flight");
  const auto* records =
      app.add_option("--concurrencies", options.concurrencies, "flows in flight (flows)");
  app.add_option("--transports", options.transports, "of unary and session (flows, peers)")
      ->check(CLI::IsMember({"unary", "session"}));
  app.add_option("--records", options.completed_records, "completed records (restart, scale)");
  const auto* leases =
      app.add_option("--leases", options.live_leases, "live leases (the same, contention)");
  const auto* retention = app.add_option("--retention-seconds", retention_seconds,
                                         "of flows whose records expire; 0: none (scale)");
  app.add_option("--waiters", options.waiters, "waiting calls on one key (waiters, contention)");
  app.add_flag("--quick", options.quick, "small numbers: shows that it works, measures nothing");
  struct Bench {
    const char* name;
    const char* help;
    absl::Status (*run)(const BenchOptions&);
  };
  constexpr Bench kBenches[] = {
      {"unary", "durable AcquireLock beside an empty call", latchkey::bench::BenchUnary},
      {"latency", "one flow at a time, beside echo and disk", latchkey::bench::BenchLatency},
      {"flows", "AcquireLock + RecordResult at many concurrencies", latchkey::bench::BenchFlows},
      {"peers", "flows beside etcd, PostgreSQL and Redis", latchkey::bench::BenchPeers},
      {"cluster", "flows over etcd clusters, beside etcd itself", latchkey::bench::BenchCluster},
      {"restart", "after a kill under load, with many records", latchkey::bench::BenchRestart},
      {"scale", "rate, memory, restart and disk by records", latchkey::bench::BenchScale},
      {"contention", "hot keys, and very many leases", latchkey::bench::BenchContention},
      {"hostile", "good callers beside bad ones", latchkey::bench::BenchHostile},
      {"credentials", "what metrics, a token and TLS cost a session",
       latchkey::bench::BenchCredentials},
      {"tenants", "flows beside a tenant at its quota", latchkey::bench::BenchTenants},
      {"waiters", "many waiters on one key", latchkey::bench::BenchWaiters}};
  for (const Bench& bench : kBenches) app.add_subcommand(bench.name, bench.help)->fallthrough();
  CLI11_PARSE(app, argc, argv);
  options.measure = std::chrono::milliseconds(static_cast<int>(seconds * 1000));
  if ((app.got_subcommand("credentials") || app.got_subcommand("tenants")) &&
      repetitions->count() == 0) {
    options.repetitions = 7;
  }
  if (app.got_subcommand("scale")) {
    if (records->count() == 0) options.completed_records = 10'000'000;
  }
  if ((app.got_subcommand("scale") || app.got_subcommand("contention")) && leases->count() == 0) {
    options.live_leases = 100'000;
  }
  if (options.quick && retention->count() == 0) retention_seconds = 3;
  options.retention = std::chrono::milliseconds(static_cast<int>(retention_seconds * 1000));
  if (options.quick) MakeQuick(options);
  for (const Bench& bench : kBenches) {
    if (!app.got_subcommand(bench.name)) continue;
    if (const auto done = bench.run(options); !done.ok()) {
      std::fprintf(stderr, "tools/bench %s: %s\n", bench.name, std::string(done.message()).c_str());
      return 1;
    }
  }
  return 0;
}
