// Restores a store from a directory of backups, with no server running on either.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/time.h"

namespace latchkey::storage {

struct RestoreOrder {
  // Where the backups are.
  std::string backups;
  // The store's directory: absent or empty.
  std::string to;
  // Which backup; empty: the newest.
  std::optional<std::uint64_t> id;
  // The machine's clock: what happened up to now is not known to the restored store.
  WallTime now;
  // Tokens go on above this one, too, where somebody knows that so many were given.
  std::uint64_t token_floor = 0;
};

struct Restored {
  std::uint64_t id = 0;
  std::int64_t taken_at_seconds = 0;
  std::uint64_t size_bytes = 0;
  // The highest token that the backup may have given, and the one above which new ones begin.
  std::uint64_t token_before = 0;
  std::uint64_t token_now = 0;
};

// Puts the store there all at once, its tokens moved on and with the doubt of a restore open.
// FAILED_PRECONDITION for what is refused, DATA_LOSS for a backup that is damaged, each with one
// line that says what to do; nothing is left behind.
absl::StatusOr<Restored> RestoreBackup(const RestoreOrder& order);

struct BackupListed {
  std::uint64_t id = 0;
  std::int64_t taken_at_seconds = 0;
  std::uint64_t size_bytes = 0;
  // Its list of files cannot be read; the rest is not known.
  bool damaged = false;
};

// Oldest first.
absl::StatusOr<std::vector<BackupListed>> ListBackups(const std::string& directory);

}  // namespace latchkey::storage
