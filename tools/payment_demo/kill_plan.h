// Decides when a chaotic run kills what.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "tools/payment_demo/havoc.h"

namespace latchkey::demo {

// A kill to come.
struct Kill {
  enum class Target { kChargedWorker, kAnyWorker, kServer };

  Target target;
  // Due when so much of the work has been begun, from 0 to 1, ...
  double share;
  // ... and so much later, so that what it meets is nothing special.
  std::chrono::milliseconds delay;
};

// All kills, in the order in which they are due: those of one target evenly over the first 85% of
// the work. They are bound to the work and not to a clock, so a slow machine sees the same number
// of them; and the rest of the work leaves the last of them something to meet. Depends on the
// arguments only.
std::vector<Kill> PlanKills(const Kills& kills, std::uint64_t seed);

}  // namespace latchkey::demo
