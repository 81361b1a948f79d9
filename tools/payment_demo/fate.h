// What the provider does to a call: how long it takes and whether its answer arrives.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string_view>

namespace latchkey::demo {

// What goes wrong with a call.
enum class Mishap {
  kNone,         // the call is answered
  kRequestLost,  // the call fails before anything was charged
  kReplyLost,    // the card is charged, then the call fails
  kNoReply,      // the card is charged, then the call is left without an answer
};

// What happens to a call.
struct Fate {
  Mishap mishap = Mishap::kNone;
  std::chrono::milliseconds latency{0};  // passes before the card is charged
};

// Decides the fate of the n-th call (from 1) about an order.
using FateOf = std::function<Fate(std::string_view order_id, int call)>;

// The weather of a bad day: of a hundred calls about 3 are lost on the way there, 5 on the way
// back, 2 are never answered, and 2 are slower than a caller is patient. The rest takes some 20 ms.
// Depends on the arguments only, so that a seed gives every order the same fate in every run.
FateOf SeededFate(std::uint64_t seed);

// No call takes longer. A caller that gave up on one must not believe before then that it charged
// nothing.
inline constexpr std::chrono::milliseconds kLongestCall{1'200};

}  // namespace latchkey::demo
