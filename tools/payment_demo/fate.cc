#include "tools/payment_demo/fate.h"

#include <algorithm>
#include <random>

namespace latchkey::demo {
namespace {

// FNV-1a.
std::uint64_t Hash(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const unsigned char c : text) hash = (hash ^ c) * 0x100000001b3;
  return hash;
}

}  // namespace

FateOf SeededFate(std::uint64_t seed) {
  return [seed](std::string_view order_id, int call) {
    const std::uint64_t order = Hash(order_id);
    std::seed_seq mixed{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32),
                        static_cast<std::uint32_t>(order), static_cast<std::uint32_t>(order >> 32),
                        static_cast<std::uint32_t>(call)};
    std::mt19937 random(mixed);
    const int percent = std::uniform_int_distribution(0, 99)(random);
    const double usual = std::lognormal_distribution(3.0, 0.6)(random);  // median 20 ms
    const std::chrono::milliseconds latency(static_cast<int>(std::min(usual, 200.0)));
    if (percent < 3) return Fate{Mishap::kRequestLost, latency};
    if (percent < 8) return Fate{Mishap::kReplyLost, latency};
    if (percent < 10) return Fate{Mishap::kNoReply, latency};
    if (percent < 12) return Fate{Mishap::kNone, kLongestCall};
    return Fate{Mishap::kNone, latency};
  };
}

}  // namespace latchkey::demo
