// The two kinds of time in Latchkey, as different types so that they cannot be mixed up.
#pragma once

#include <chrono>
#include <cstdint>

namespace latchkey {

using Duration = std::chrono::nanoseconds;

// Time on the server's monotonic clock (CLOCK_MONOTONIC). Ends leases and waits; means nothing
// after a restart. The tag types below only name a timeline; reading one is Clock's job.
struct MonotonicTimeline {};
using MonotonicTime = std::chrono::time_point<MonotonicTimeline, Duration>;

// Time since 1970-01-01 UTC. Used for retention and for people, never to end a lease.
struct WallTimeline {};
using WallTime = std::chrono::time_point<WallTimeline, Duration>;

constexpr WallTime WallTimeFromNanos(std::int64_t nanos) { return WallTime(Duration(nanos)); }
constexpr std::int64_t ToNanos(WallTime time) { return time.time_since_epoch().count(); }

}  // namespace latchkey
