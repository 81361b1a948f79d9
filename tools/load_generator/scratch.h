// What a measured server needs besides a process: a directory that is thrown away, and a look at
// its memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "tools/process/server_process.h"

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

std::uint64_t ResidentBytes(const ServerProcess& server);
// The most that it ever was.
std::uint64_t PeakResidentBytes(const ServerProcess& server);

}  // namespace latchkey::bench
