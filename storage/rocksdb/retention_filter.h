// Lets compactions drop the records, and parts of records, that nobody needs any more.
#pragma once

#include <memory>

#include "storage/record_store.h"

namespace rocksdb {
class CompactionFilterFactory;
}  // namespace rocksdb

namespace latchkey::storage {

// For the column family of done records. Drops what `expire` says; never anything of a record that
// is live, nor of one that cannot be decoded.
std::shared_ptr<rocksdb::CompactionFilterFactory> MakeRetentionFilterFactory(Expire expire);

}  // namespace latchkey::storage
