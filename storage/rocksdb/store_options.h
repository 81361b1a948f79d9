// How RocksDB is set up: small synced writes first, bounded memory, a start that does not grow with
// the number of results kept.
#pragma once

#include <cstddef>
#include <memory>

#include <rocksdb/options.h>

namespace latchkey::storage {

// Column families: the records of keys that somebody works on, and those of keys that are done.
// RocksDB's default family has what is kept beside the records.
inline constexpr char kLiveFamily[] = "live";
inline constexpr char kDoneFamily[] = "done";

rocksdb::DBOptions MakeDatabaseOptions(std::size_t write_buffer_bytes);

// The options of all families; they share one block cache.
struct FamilyOptions {
  rocksdb::ColumnFamilyOptions meta;
  rocksdb::ColumnFamilyOptions live;
  rocksdb::ColumnFamilyOptions done;
};
FamilyOptions MakeFamilyOptions(std::size_t write_buffer_bytes);

}  // namespace latchkey::storage
