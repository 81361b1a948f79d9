// latchkey_simulate: see tools/simulate.
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "CLI/CLI.hpp"
#include "tools/simulation/floors.h"
#include "tools/simulation/runner.h"

namespace latchkey::simulation {
namespace {

constexpr int kUsage = 2;

// An assertion of what is shipped, or worse: says at least which seed it was.
void OnFatalSignal(int signal) {
  std::array<char, 96> text;
  const int length =
      std::snprintf(text.data(), text.size(), "\nagain: tools/simulate --seed %llu\n",
                    static_cast<unsigned long long>(CurrentSeed()));
  (void)!write(STDERR_FILENO, text.data(), static_cast<std::size_t>(length));
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void PrintFailures(const RunnerReport& report) {
  for (const RunReport& failed : report.failed) {
    std::printf("violation: %s\n  again: tools/simulate --seed %llu\n", failed.violation.c_str(),
                static_cast<unsigned long long>(failed.seed));
  }
  if (report.failed.empty()) return;
  const RunReport& first = report.failed.front();
  std::printf("The last events of seed %llu:\n%s", static_cast<unsigned long long>(first.seed),
              first.story.c_str());
}

// False where something was not exercised.
bool PrintFloors(const RunnerReport& report) {
  const std::vector<std::string> missed = MissedFloors(report);
  for (const std::string& floor : missed) {
    std::printf("floor: %s; run more seeds, or see what keeps it from happening\n", floor.c_str());
  }
  return missed.empty();
}

void PrintEnd(const RunnerReport& report) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(report.simulated).count();
  std::printf("seeds=%llu steps=%llu simulated_seconds=%lld",
              static_cast<unsigned long long>(report.seeds),
              static_cast<unsigned long long>(report.steps), static_cast<long long>(seconds));
  for (const std::string& name : ShownCounts()) {
    const auto found = report.counts.find(name);
    const std::uint64_t count = found == report.counts.end() ? 0 : found->second;
    std::printf(" %s=%llu", name.c_str(), static_cast<unsigned long long>(count));
  }
  std::printf(" violations=%zu\n", report.failed.size());
}

int Main(int argc, char** argv) {
  CLI::App app("Deterministic simulation of Latchkey", "tools/simulate");
  std::uint64_t seed = 0;
  std::int64_t seconds = 0;
  bool all_counts = false;
  RunnerOptions options;
  options.jobs = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  auto* const one = app.add_option("--seed", seed, "run this one, and print how it went");
  app.add_option("--seeds", options.seeds, "how many to run; 1000 if not given")->excludes(one);
  app.add_option("--first-seed", options.first_seed, "the first of them; 1 if not given")
      ->excludes(one);
  app.add_option("--seconds", seconds, "begin no seed after so long");
  app.add_option("--jobs", options.jobs, "at once; as many as there are cores if not given")
      ->check(CLI::Range(1, 256));
  app.add_flag("--verbose", options.verbose, "print every event")->needs(one);
  app.add_flag("--counts", all_counts, "print everything that was counted");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  options.bound = std::chrono::seconds(seconds);
  if (one->count() > 0) {
    options.first_seed = seed;
    options.seeds = 1;
  }
  options.on_progress = [&](std::uint64_t done) {
    if (done % 100 == 0) {
      std::fprintf(stderr, "%llu of %llu seeds\n", static_cast<unsigned long long>(done),
                   static_cast<unsigned long long>(options.seeds));
    }
  };
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS}) std::signal(signal, OnFatalSignal);
  const RunnerReport report = RunSeeds(options);
  if (all_counts) {
    for (const auto& [name, count] : report.counts) {
      std::printf("%12llu %s\n", static_cast<unsigned long long>(count), name.c_str());
    }
  }
  PrintFailures(report);
  // One seed cannot exercise everything.
  const bool exercised = one->count() > 0 || PrintFloors(report);
  PrintEnd(report);
  return report.failed.empty() && exercised ? 0 : 1;
}

}  // namespace
}  // namespace latchkey::simulation

int main(int argc, char** argv) { return latchkey::simulation::Main(argc, argv); }
