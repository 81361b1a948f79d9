// The file system and clock of a store that is not given others.
#pragma once

#include <memory>

namespace rocksdb {
class Env;
}

namespace latchkey::storage {

// The machine's, with logs whose blocks are written beforehand (prewritten_logs.h). The server that
// the crash tests run links a definition of its own, with a file system that fails as the test has
// chosen.
std::shared_ptr<rocksdb::Env> DefaultEnvironment();

}  // namespace latchkey::storage
