#include "tools/process/server_process.h"

#include <fstream>
#include <string_view>

namespace latchkey {
namespace {

constexpr std::string_view kServing = " is serving on ";
constexpr std::chrono::milliseconds kTick(100);

}  // namespace

absl::StatusOr<ServerProcess> ServerProcess::Start(const Program& program,
                                                   std::chrono::milliseconds patience) {
  auto process = ChildProcess::Start(program);
  if (!process.ok()) return process.status();
  const auto until = std::chrono::steady_clock::now() + patience;
  while (process->live() && std::chrono::steady_clock::now() < until) {
    ChildProcess::WaitForOutput({&*process}, kTick);
    for (const std::string& line : process->TakeLines()) {
      const auto found = line.find(kServing);
      if (found == std::string::npos) continue;
      return ServerProcess(*std::move(process), line.substr(found + kServing.size()));
    }
  }
  return absl::UnavailableError(program.command[0] + " does not serve: " + LastLineOf(program.log));
}

std::string LastLineOf(const std::string& log) {
  std::ifstream file(log);
  std::string last = "it said nothing";
  for (std::string line; std::getline(file, line);) last = line;
  return last;
}

}  // namespace latchkey
