// The one source of chance in a simulation: the same seed gives the same draws, on every machine.
#pragma once

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "base/time.h"

namespace latchkey::simulation {

// SplitMix64 (Steele, Lea, Flood, 2014). Not thread-safe.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t Next() {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
  // From 0 to `bound` - 1, which is above 0.
  std::uint64_t Below(std::uint64_t bound) { return Next() % bound; }
  // Draws also where the answer is sure, so that a rate of zero changes nothing else.
  bool Chance(double probability) {
    return static_cast<double>(Next() >> 11) * 0x1p-53 < probability;
  }
  Duration Between(Duration least, Duration most) {
    if (most <= least) return least;
    return least + Duration(Below(static_cast<std::uint64_t>((most - least).count()) + 1));
  }
  // Short ones are as likely as long ones: uniform in the logarithm.
  Duration LogBetween(Duration least, Duration most) {
    const double low = std::log(static_cast<double>(least.count()));
    const double high = std::log(static_cast<double>(most.count()));
    const double place = static_cast<double>(Next() >> 11) * 0x1p-53;
    return Duration(static_cast<Duration::rep>(std::exp(low + place * (high - low))));
  }
  template <class T>
  T OneOf(std::initializer_list<T> choices) {
    return choices.begin()[Below(choices.size())];
  }
  template <class T>
  const T& OneOf(const std::vector<T>& choices) {
    return choices[Below(choices.size())];
  }

 private:
  std::uint64_t state_;
};

}  // namespace latchkey::simulation
