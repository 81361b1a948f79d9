#include "tools/load_generator/server_process.h"

#include <stdlib.h>
#include <unistd.h>

#include <fstream>

namespace latchkey::bench {
namespace {

constexpr std::chrono::seconds kStartTimeout(60);
constexpr std::string_view kServing = " is serving on ";

}  // namespace

ScratchDirectory::ScratchDirectory(const std::string& parent) {
  std::filesystem::create_directories(parent);
  std::string name = parent + "/scratch-XXXXXX";
  path_ = mkdtemp(name.data());
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

absl::StatusOr<ServerProcess> ServerProcess::Start(const std::vector<std::string>& command,
                                                   const std::string& log) {
  auto process = demo::ChildProcess::Start(command, log);
  if (!process.ok()) return process.status();
  const auto until = std::chrono::steady_clock::now() + kStartTimeout;
  while (process->live() && std::chrono::steady_clock::now() < until) {
    demo::ChildProcess::WaitForOutput({&*process}, std::chrono::milliseconds(100));
    for (const std::string& line : process->TakeLines()) {
      const auto found = line.find(kServing);
      if (found == std::string::npos) continue;
      return ServerProcess(*std::move(process), line.substr(found + kServing.size()));
    }
  }
  return absl::UnavailableError(command[0] + " did not start; see " + log);
}

void ServerProcess::Kill() {
  const demo::ChildProcess killed(std::move(process_));  // its destructor kills
}

std::uint64_t ServerProcess::ResidentBytes() const {
  std::ifstream statm("/proc/" + std::to_string(process_.pid()) + "/statm");
  std::uint64_t total_pages = 0;
  std::uint64_t resident_pages = 0;
  statm >> total_pages >> resident_pages;
  return resident_pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace latchkey::bench
