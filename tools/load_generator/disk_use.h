// What a store takes on the disk, and for what.
#pragma once

#include <cstdint>
#include <filesystem>

#include "absl/status/statusor.h"

namespace latchkey::bench {

struct DiskUse {
  std::uint64_t records = 0;    // completed ones
  std::uint64_t key_bytes = 0;  // of their keys, as callers gave them
  // Of their tables: the blocks with the records, compressed; the index; the filter.
  std::uint64_t data_bytes = 0;
  std::uint64_t index_bytes = 0;
  std::uint64_t filter_bytes = 0;
  // All files of the store, with the tables of other records, the log, and RocksDB's own notes.
  std::uint64_t total_bytes = 0;
};

// The files of a store, whether a server uses it or not.
std::uint64_t BytesIn(const std::filesystem::path& store);

// Compacts all of a store that no server uses, by RocksDB's own tools, and looks at what is left.
// What they say to stderr goes to the file `log`.
absl::StatusOr<DiskUse> CompactAndMeasure(const std::filesystem::path& store,
                                          const std::filesystem::path& log);

}  // namespace latchkey::bench
