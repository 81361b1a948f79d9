// Reads several column families as if they were one.
#pragma once

#include <span>
#include <vector>

#include "storage/record_store.h"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
class Status;
}  // namespace rocksdb

namespace latchkey::storage {

// A family and the revision of the records in it.
struct ScannedFamily {
  rocksdb::ColumnFamilyHandle* family = nullptr;
  Revision revision = 0;
};

// Appends to `found` what `request` asks for, in order of store key and as of one moment. Which
// families are read is up to the caller; `request.live_only` is not looked at.
rocksdb::Status MergedScan(rocksdb::DB& database, std::span<const ScannedFamily> families,
                           const ScanRequest& request, std::vector<Scanned>* found);

}  // namespace latchkey::storage
