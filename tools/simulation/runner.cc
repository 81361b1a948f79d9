#include "tools/simulation/runner.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include "tools/simulation/world.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#include <sanitizer/lsan_interface.h>
#define LATCHKEY_HAS_LEAK_SANITIZER
#endif
#endif

namespace latchkey::simulation {
namespace {

using Steady = std::chrono::steady_clock;

// So many failures say enough.
constexpr std::size_t kFailedMax = 10;

thread_local std::uint64_t current_seed = 0;

}  // namespace

std::uint64_t CurrentSeed() { return current_seed; }

RunReport RunSeed(std::uint64_t seed, bool verbose) {
  current_seed = seed;
#ifdef LATCHKEY_HAS_LEAK_SANITIZER
  // A client whose process is killed leaves behind what it had under way: its memory is the
  // kernel's to take, and there is no kernel here.
  const __lsan::ScopedDisabler disabler;
#endif
  return World(seed, verbose).Run();
}

RunnerReport RunSeeds(const RunnerOptions& options) {
  RunnerReport all;
  std::mutex mutex;
  std::atomic<std::uint64_t> next = 0;
  std::atomic<bool> enough = false;
  const auto begun = Steady::now();
  const auto work = [&] {
    while (!enough) {
      if (options.bound > Duration::zero() && Steady::now() - begun > options.bound) return;
      const std::uint64_t place = next++;
      if (place >= options.seeds) return;
      RunReport report = RunSeed(options.first_seed + place, options.verbose);
      const std::scoped_lock lock(mutex);
      ++all.seeds;
      all.steps += report.steps;
      all.simulated += report.simulated;
      for (const auto& [name, count] : report.counts) all.counts[name] += count;
      if (!report.violation.empty()) all.failed.push_back(std::move(report));
      enough = all.failed.size() >= kFailedMax;
      if (options.on_progress) options.on_progress(all.seeds);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < options.jobs; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  std::ranges::sort(all.failed, {}, [](const RunReport& report) { return report.seed; });
  return all;
}

}  // namespace latchkey::simulation
