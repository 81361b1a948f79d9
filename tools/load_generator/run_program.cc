#include "tools/load_generator/run_program.h"

#include <iterator>

#include "tools/process/server_process.h"

namespace latchkey::bench {

absl::StatusOr<std::vector<std::string>> RunProgram(const Program& program) {
  auto process = ChildProcess::Start(program);
  if (!process.ok()) return process.status();
  std::vector<std::string> all;
  while (process->live()) {
    ChildProcess::WaitForOutput({&*process}, std::chrono::seconds(1));
    auto lines = process->TakeLines();
    all.insert(all.end(), std::make_move_iterator(lines.begin()),
               std::make_move_iterator(lines.end()));
  }
  // It has closed its output, so it has ended or is about to.
  if (process->Stop(std::chrono::minutes(1)) != 0) {
    return absl::UnavailableError(program.command.front() + ": " + LastLineOf(program.log));
  }
  return all;
}

}  // namespace latchkey::bench
