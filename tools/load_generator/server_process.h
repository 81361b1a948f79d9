// A server under test: started in a process of its own, in a directory that is thrown away.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/payment_demo/child_process.h"

namespace latchkey::bench {

// A directory that goes with the object.
class ScratchDirectory {
 public:
  // In `parent`, whose disk is the one that is measured.
  explicit ScratchDirectory(const std::string& parent);
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Dies with the object.
class ServerProcess {
 public:
  // Returns when the server says that it serves.
  static absl::StatusOr<ServerProcess> Start(const std::vector<std::string>& command,
                                             const std::string& log);

  // 127.0.0.1:PORT
  const std::string& address() const { return address_; }
  // As with SIGKILL: nothing is finished.
  void Kill();
  std::uint64_t ResidentBytes() const;

 private:
  ServerProcess(demo::ChildProcess process, std::string address)
      : process_(std::move(process)), address_(std::move(address)) {}

  demo::ChildProcess process_;
  std::string address_;
};

}  // namespace latchkey::bench
