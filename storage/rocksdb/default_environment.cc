#include "storage/rocksdb/default_environment.h"

#include "storage/rocksdb/prewritten_logs.h"
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

namespace latchkey::storage {

std::shared_ptr<rocksdb::Env> DefaultEnvironment() {
  return rocksdb::NewCompositeEnv(MakePrewrittenLogs(rocksdb::FileSystem::Default()));
}

}  // namespace latchkey::storage
