#include "tools/load_generator/fill.h"

#include <thread>

#include "tools/load_generator/cpu_time.h"
#include "tools/load_generator/report.h"

namespace latchkey::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::hours kNoTimeLimit(10);
constexpr std::chrono::minutes kSettleMax(2);
constexpr std::chrono::milliseconds kSettleTick(500);
// Of a core; what an idle server uses.
constexpr double kIdleShare = 0.03;

}  // namespace

absl::Status Fill(const std::string& address, const FillOptions& options) {
  LoadOptions load;
  load.concurrency = options.concurrency;
  load.warm_up = std::chrono::milliseconds(0);
  load.measure = kNoTimeLimit;
  load.flows_max = options.flows;
  load.key_prefix = options.key_prefix;
  load.progress = options.progress;
  const auto driver = MakeLatchkeyDriver(kFastest, address, options.flow, options.concurrency);
  return RunLoad(*driver, load).status();
}

void Settle() {
  const auto until = SteadyClock::now() + kSettleMax;
  auto used = CpuTimeOfStarted();
  while (SteadyClock::now() < until) {
    ShowProgress("waiting for the server to be idle");
    std::this_thread::sleep_for(kSettleTick);
    const auto now = CpuTimeOfStarted();
    if (now - used < kIdleShare * kSettleTick) break;
    used = now;
  }
  ShowProgress("");
}

}  // namespace latchkey::bench
