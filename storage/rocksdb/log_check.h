// Tells a log that was cut off from a log that was damaged. RocksDB recovers what is before the
// first record it cannot read, in both cases; but in the second, acknowledged steps would be gone
// without a word.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace rocksdb {
class FileSystem;
}  // namespace rocksdb

namespace latchkey::storage {

// Reads the write-ahead logs in the directory of a database that is not open. DATA_LOSS if in one
// of them an intact record begins behind one that is not. A crash never leaves that: every commit,
// or group of commits, is one record, and it is synced before the next one is written. So what is
// torn is the last.
absl::Status CheckLogs(rocksdb::FileSystem& file_system, const std::string& database);

}  // namespace latchkey::storage
