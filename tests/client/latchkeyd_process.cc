#include "latchkeyd_process.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <stdexcept>
#include <utility>

namespace latchkey {

LatchkeydProcess::LatchkeydProcess(std::string store) : store_(std::move(store)) { Start(); }

LatchkeydProcess::~LatchkeydProcess() { Kill(); }

void LatchkeydProcess::Start() {
  int output[2];
  if (pipe(output) != 0) throw std::runtime_error("no pipe");
  std::array<std::string, 4> words = {LATCHKEYD, "--store=" + store_,
                                      "--listen-address=" + address_, "--log-level=warn"};
  std::array<char*, 5> command = {words[0].data(), words[1].data(), words[2].data(),
                                  words[3].data(), nullptr};
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("cannot fork");
  if (pid_ == 0) {
    // Only what is safe in the child of a process with threads.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(output[1], STDOUT_FILENO);
    close(output[0]);
    close(output[1]);
    execv(command[0], command.data());
    _exit(127);
  }
  close(output[1]);
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
