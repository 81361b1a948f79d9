#include "tools/latchkey/offline/store.h"

#include <string_view>

#include "tools/latchkey/output.h"

namespace latchkey::cli {

std::string DirectoryOf(const std::string& store) {
  constexpr std::string_view kRocksDb = "rocksdb:";
  return store.starts_with(kRocksDb) ? store.substr(kRocksDb.size()) : store;
}

int FailOffline(const absl::Status& status) {
  Note(std::string(status.message()));
  return absl::IsFailedPrecondition(status) ? kRefused : kFailed;
}

}  // namespace latchkey::cli
