#include "storage/rocksdb/default_environment.h"

#include <rocksdb/env.h>

namespace latchkey::storage {

std::shared_ptr<rocksdb::Env> DefaultEnvironment() {
  return {rocksdb::Env::Default(), [](rocksdb::Env*) { /* it is RocksDB's */ }};
}

}  // namespace latchkey::storage
