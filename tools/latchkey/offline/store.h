// What the subcommands share that work on a store which no server has open.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace latchkey::cli {

// The directory of "rocksdb:DIRECTORY", or of a bare DIRECTORY.
std::string DirectoryOf(const std::string& store);

// Says what is wrong, on one line, and gives the code to end with.
int FailOffline(const absl::Status& status);

}  // namespace latchkey::cli
