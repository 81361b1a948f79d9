#include "tools/payment_demo/kill_plan.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

namespace latchkey::demo {
namespace {

using Target = Kill::Target;

constexpr Kills kKills{.worst_moments = 12, .any_moments = 8, .servers = 4};

std::string Describe(const std::vector<Kill>& plan) {
  std::string text;
  for (const Kill& kill : plan) {
    text += std::to_string(static_cast<int>(kill.target)) + "@" + std::to_string(kill.share) + "+" +
            std::to_string(kill.delay.count()) + " ";
  }
  return text;
}

std::vector<Kill> Of(Target target, std::vector<Kill> plan) {
  std::erase_if(plan, [&](const Kill& kill) { return kill.target != target; });
  return plan;
}

TEST(PlanKills, HasAsManyOfEachAsAreWanted) {
  const auto plan = PlanKills(kKills, 1);
  EXPECT_EQ(plan.size(), 24u);
  EXPECT_EQ(Of(Target::kChargedWorker, plan).size(), 12u);
  EXPECT_EQ(Of(Target::kAnyWorker, plan).size(), 8u);
  EXPECT_EQ(Of(Target::kServer, plan).size(), 4u);
}

TEST(PlanKills, DependsOnTheSeed) {
  EXPECT_EQ(Describe(PlanKills(kKills, 1)), Describe(PlanKills(kKills, 1)));
  EXPECT_NE(Describe(PlanKills(kKills, 1)), Describe(PlanKills(kKills, 2)));
}

TEST(PlanKills, SpreadsEachOverTheWorkAndLeavesSome) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const auto plan = PlanKills(kKills, seed);
    EXPECT_TRUE(std::ranges::is_sorted(plan, {}, &Kill::share));
    EXPECT_GE(plan.front().share, 0);
    EXPECT_LE(plan.back().share, 0.85);
    const auto servers = Of(Target::kServer, plan);
    for (std::size_t i = 0; i < servers.size(); ++i) {
      EXPECT_GE(servers[i].share, 0.85 * static_cast<double>(i) / 4);
      EXPECT_LE(servers[i].share, 0.85 * static_cast<double>(i + 1) / 4);
    }
  }
}

TEST(PlanKills, MayBeEmpty) {
  EXPECT_TRUE(PlanKills({.worst_moments = 0, .any_moments = 0, .servers = 0}, 1).empty());
}

}  // namespace
}  // namespace latchkey::demo
