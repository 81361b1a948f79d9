#include "storage/restored_state.h"

#include <algorithm>
#include <chrono>
#include <limits>

namespace latchkey::storage {

std::uint64_t RestoreFloor(WallTime now) {
  const auto millis =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(millis, 0)) << 20;
}

std::uint64_t TokenAfterRestore(std::uint64_t saved, WallTime saved_at, WallTime now) {
  const std::uint64_t since = RestoreFloor(WallTime(now - saved_at));
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  return std::max(RestoreFloor(now), saved > kMost - since ? kMost : saved + since);
}

void OpenRestoreDoubt(WallTime now, std::uint64_t fencing_token, StoreState& state) {
  const std::int64_t saved_at = state.retention_clock_nanos();
  // A doubt that was open when the backup was made reaches back further.
  const bool open = state.restored_at_nanos() != 0;
  state.set_unknown_since_nanos(open ? std::min(state.unknown_since_nanos(), saved_at) : saved_at);
  state.set_restored_at_nanos(std::max({ToNanos(now), saved_at, state.restored_at_nanos()}));
  state.set_restore_fencing_token(std::max(state.restore_fencing_token(), fencing_token));
  state.set_watch_revision(std::max(state.watch_revision(), RestoreFloor(now)));
}

}  // namespace latchkey::storage
