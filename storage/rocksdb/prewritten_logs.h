// Logs whose blocks are written before they are needed. An append that makes a file longer has to
// be followed by its new size into the file system's journal before it is durable; one that
// overwrites zeros has not, and its sync takes two thirds of the time.
#pragma once

#include <memory>

#include <rocksdb/file_system.h>

namespace latchkey::storage {

// Write-ahead logs are kept ahead of what is appended to them by up to 1 MiB of zeros, which a
// killed process leaves behind and every reader of a log takes for its end. A log that is closed
// has none. All other files are `base`'s own.
std::shared_ptr<rocksdb::FileSystem> MakePrewrittenLogs(
    const std::shared_ptr<rocksdb::FileSystem>& base);

}  // namespace latchkey::storage
