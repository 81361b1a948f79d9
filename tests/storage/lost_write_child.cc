// Writes to a store until it is killed, and tells of every step that was acknowledged:
//
//   lost_write_child <directory> <seed> <steps of writer 0> <steps of writer 1>
//
// prints "<writer> <step> <tokens>..." in one write() each. What it does not sync is in its memory
// only.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "storage/rocksdb/rocksdb_record_store.h"
#include "tests/storage/lost_write_file_system.h"
#include "tests/storage/step_writer.h"

namespace latchkey::storage {
namespace {

[[noreturn]] void Fail(const std::string& why) {
  std::fprintf(stderr, "lost_write_child: %s\n", why.c_str());
  std::exit(1);
}

void Tell(int id, const Step& step, const std::vector<WriteResult>& results) {
  std::string line = std::to_string(id) + " " + std::to_string(step.number);
  for (const WriteResult& result : results) {
    if (result.token != 0) line += " " + std::to_string(result.token);
  }
  line += "\n";
  if (::write(STDOUT_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    Fail("nobody listens");
  }
}

void Run(char** arguments) {
  const std::uint64_t seed = std::strtoull(arguments[1], nullptr, 10);
  RocksDbStoreOptions options;
  options.environment = MakeLostWriteEnvironment(std::make_shared<LostWriteFileSystem>());
  options.token_block_size = 20;
  options.write_buffer_bytes = std::size_t{64} << 10;
  auto opened = RocksDbRecordStore::Open(arguments[0], options);
  if (!opened.ok()) Fail(opened.status().ToString());
  StepRunner runner(**opened);
  std::vector<std::thread> threads;
  for (int id = 0; id < 2; ++id) {
    threads.emplace_back([&, id] {
      StepWriter writer(seed, id);
      std::string wrong = writer.Adopt(**opened, std::strtoull(arguments[2 + id], nullptr, 10));
      if (wrong.empty()) {
        wrong = runner.Run(writer, std::numeric_limits<std::uint64_t>::max(),
                           [id](const Step& step, const std::vector<WriteResult>& results) {
                             Tell(id, step, results);
                           });
      }
      Fail(wrong.empty() ? "the store failed" : wrong);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace latchkey::storage

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  latchkey::storage::Run(argv + 1);
}
