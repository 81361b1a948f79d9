#include "latchkeyd_process.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <stdexcept>
#include <utility>

extern char** environ;  // NOLINT(*-naming)

namespace latchkey {

LatchkeydProcess::LatchkeydProcess(std::string store) : store_(std::move(store)) { Start(); }

LatchkeydProcess::~LatchkeydProcess() { Kill(); }

void LatchkeydProcess::Start() {
  int output[2];
  if (pipe(output) != 0) throw std::runtime_error("no pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, output[0]);
  posix_spawn_file_actions_addclose(&actions, output[1]);
  std::array<std::string, 4> words = {LATCHKEYD, "--store=" + store_,
                                      "--listen-address=" + address_, "--log-level=warn"};
  std::array<char*, 5> command = {words[0].data(), words[1].data(), words[2].data(),
                                  words[3].data(), nullptr};
  const int failed = posix_spawn(&pid_, LATCHKEYD, &actions, nullptr, command.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(output[1]);
  if (failed != 0) throw std::runtime_error("cannot start " LATCHKEYD);
  FILE* lines = fdopen(output[0], "r");
  std::array<char, 256> host = {};
  const bool serving = std::fscanf(lines, "latchkeyd is serving on %255s", host.data()) == 1;
  std::fclose(lines);
  if (!serving) throw std::runtime_error("latchkeyd ended before it served");
  address_ = host.data();
}

void LatchkeydProcess::Kill() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void LatchkeydProcess::Freeze() {
  kill(pid_, SIGSTOP);
  // The signal only asks; the process has stopped when this returns.
  waitpid(pid_, nullptr, WUNTRACED);
}
void LatchkeydProcess::Thaw() { kill(pid_, SIGCONT); }

}  // namespace latchkey
