#include "tools/load_generator/cpu_time.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <unordered_map>

namespace latchkey::bench {
namespace {

struct Process {
  pid_t parent = 0;
  double ticks = 0;
};

// What /proc says of it; all zero if it is gone.
Process Read(const std::filesystem::path& directory) {
  constexpr int kFieldsBetween = 9;  // from the parent to the user's time
  std::ifstream stat(directory / "stat");
  std::string field;
  std::getline(stat, field, ')');  // the program's name may hold blanks
  Process process;
  stat >> field >> process.parent;
  for (int i = 0; i < kFieldsBetween; ++i) stat >> field;
  double user = 0;
  double kernel = 0;
  if (stat >> user >> kernel) process.ticks = user + kernel;
  return process;
}

std::unordered_map<pid_t, Process> AllProcesses() {
  std::unordered_map<pid_t, Process> all;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    all.emplace(static_cast<pid_t>(std::stol(name)), Read(entry.path()));
  }
  return all;
}

}  // namespace

std::chrono::duration<double> CpuTimeOfStarted() {
  const auto all = AllProcesses();
  const pid_t self = getpid();
  double ticks = 0;
  for (const auto& [pid, process] : all) {
    pid_t ancestor = process.parent;
    while (ancestor != self && all.contains(ancestor)) ancestor = all.at(ancestor).parent;
    if (ancestor == self) ticks += process.ticks;
  }
  return std::chrono::duration<double>(ticks / static_cast<double>(sysconf(_SC_CLK_TCK)));
}

double ShareOfProcessors(std::chrono::duration<double> cpu, std::chrono::duration<double> wall) {
  return cpu / (wall * std::thread::hardware_concurrency());
}

}  // namespace latchkey::bench
