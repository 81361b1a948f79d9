// The bounds of the histograms, in the unit in which is counted.
#pragma once

#include <array>
#include <cstdint>

namespace latchkey::buckets {

inline constexpr std::uint64_t kMicro = 1'000;
inline constexpr std::uint64_t kMilli = 1'000'000;
inline constexpr std::uint64_t kSecond = 1'000'000'000;

// Nanoseconds: from what a decision takes to the longest wait.
inline constexpr std::array<std::uint64_t, 18> kShort = {
    100 * kMicro, 250 * kMicro,    500 * kMicro, kMilli,       5 * kMilli / 2, 5 * kMilli,
    10 * kMilli,  25 * kMilli,     50 * kMilli,  100 * kMilli, 250 * kMilli,   500 * kMilli,
    kSecond,      5 * kSecond / 2, 5 * kSecond,  10 * kSecond, 30 * kSecond,   60 * kSecond};

// Nanoseconds: leases and what people wait for.
inline constexpr std::array<std::uint64_t, 16> kLong = {
    kMilli,       5 * kMilli,    10 * kMilli,     50 * kMilli,    100 * kMilli, 250 * kMilli,
    500 * kMilli, kSecond,       5 * kSecond / 2, 5 * kSecond,    10 * kSecond, 30 * kSecond,
    60 * kSecond, 300 * kSecond, 900 * kSecond,   3'600 * kSecond};

inline constexpr std::array<std::uint64_t, 9> kBytes = {0,      64,     256,     1'024,    4'096,
                                                        16'384, 65'536, 262'144, 1'048'576};

// Records of a commit.
inline constexpr std::array<std::uint64_t, 12> kRecords = {1,   2,   5,   10,    20,    50,
                                                           100, 200, 500, 1'000, 2'000, 5'000};

}  // namespace latchkey::buckets
