#include "tools/payment_demo/kill_plan.h"

#include <algorithm>
#include <random>

namespace latchkey::demo {
namespace {

constexpr double kLastShare = 0.85;
constexpr int kLongestDelayMs = 500;

}  // namespace

std::vector<Kill> PlanKills(const Kills& kills, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> place(0, 1);
  std::uniform_int_distribution<int> delay(0, kLongestDelayMs);
  std::vector<Kill> plan;
  const auto spread = [&](Kill::Target target, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const double share =
          (static_cast<double>(i) + place(random)) / static_cast<double>(count) * kLastShare;
      plan.push_back({target, share, std::chrono::milliseconds(delay(random))});
    }
  };
  spread(Kill::Target::kChargedWorker, kills.worst_moments);
  spread(Kill::Target::kAnyWorker, kills.any_moments);
  spread(Kill::Target::kServer, kills.servers);
  std::ranges::sort(plan, {}, &Kill::share);
  return plan;
}

}  // namespace latchkey::demo
