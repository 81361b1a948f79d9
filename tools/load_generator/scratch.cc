#include "tools/load_generator/scratch.h"

#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <string_view>

namespace latchkey::bench {

ScratchDirectory::ScratchDirectory(const std::string& parent) {
  std::filesystem::create_directories(parent);
  std::string name = parent + "/scratch-XXXXXX";
  path_ = mkdtemp(name.data());
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::uint64_t ResidentBytes(const ServerProcess& server) {
  std::ifstream statm("/proc/" + std::to_string(server.process().pid()) + "/statm");
  std::uint64_t total_pages = 0;
  std::uint64_t resident_pages = 0;
  statm >> total_pages >> resident_pages;
  return resident_pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::uint64_t PeakResidentBytes(const ServerProcess& server) {
  constexpr std::string_view kPeak = "VmHWM:";  // and then kibibytes
  std::ifstream status("/proc/" + std::to_string(server.process().pid()) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(kPeak)) return 1024 * std::stoull(line.substr(kPeak.size()));
  }
  return 0;
}

}  // namespace latchkey::bench
