// Lets compactions drop the records that nobody needs any more.
#pragma once

#include <memory>

#include "storage/record_store.h"

namespace rocksdb {
class CompactionFilterFactory;
}  // namespace rocksdb

namespace latchkey::storage {

// For the column family of done records. Drops a record that `is_forgotten` names; never one that
// is live, nor one that cannot be decoded.
std::shared_ptr<rocksdb::CompactionFilterFactory> MakeRetentionFilterFactory(
    IsForgotten is_forgotten);

}  // namespace latchkey::storage
