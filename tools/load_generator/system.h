// What is measured: a system that can be started, connected to and ended.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "tools/load_generator/closed_loop.h"

namespace latchkey::bench {

// A system that runs; its processes end with the object.
class Running {
 public:
  virtual ~Running() = default;
  // The way to it for a run of `concurrency` flows.
  virtual absl::StatusOr<std::unique_ptr<Driver>> Connect(int concurrency) = 0;
};

struct System {
  std::string name;       // as in tables and JSON: "latchkey", "echo", "etcd-lock", ...
  std::string transport;  // "unary"; of systems that are not ours "native"
  std::string version;
  // What a reply says about the disk.
  std::string durability;
  // More flows than this are not in flight, whatever is asked for, as more connections would only
  // make it slower; 0: there is no such number.
  int connections_max = 0;
  // Starts it, with everything that it writes in `directory`, which exists and is empty.
  std::function<absl::StatusOr<std::unique_ptr<Running>>(const std::filesystem::path& directory)>
      start;
};

}  // namespace latchkey::bench
