#include "tools/process/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace latchkey {
namespace {

absl::Status ErrorOf(const std::string& doing) {
  return absl::InternalError("cannot " + doing + ": " + std::strerror(errno));
}

// For execve; points into `words`.
std::vector<char*> PointersTo(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Ours, with the additions in place of what has the same name.
std::vector<std::string> EnvironmentWith(const std::vector<std::string>& additions) {
  std::vector<std::string> all = additions;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view ours(*variable);
    const std::string_view name = ours.substr(0, ours.find('=') + 1);
    const bool replaced = std::ranges::any_of(
        additions, [&](const std::string& addition) { return addition.starts_with(name); });
    if (!replaced) all.emplace_back(ours);
  }
  return all;
}

using Pipe = std::array<int, 2>;  // the reading end, the writing end

struct Ends {
  int output;   // for its stdout
  int log;      // for its stderr
  int failure;  // takes errno, if it cannot become the program; closed when it has
};

// In the child, after fork: only what is allowed there when the parent has threads.
[[noreturn]] void Become(char* const* argv, char* const* envp, const Ends& ends, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // it was gone before the line above
  dup2(ends.output, STDOUT_FILENO);
  dup2(ends.log, STDERR_FILENO);
  execve(argv[0], argv, envp);
  const int why = errno;
  (void)!write(ends.failure, &why, sizeof(why));
  _exit(127);
}

// Waits until the child has become the program, so that its end is bound to ours; 0, or its errno.
int AwaitProgram(const Pipe& failure) {
  close(failure[1]);
  int why = 0;
  while (read(failure[0], &why, sizeof(why)) < 0 && errno == EINTR) {
  }
  close(failure[0]);
  return why;
}

}  // namespace

absl::StatusOr<ChildProcess> ChildProcess::Start(const Program& program) {
  const std::vector<std::string> environment = EnvironmentWith(program.environment);
  const std::vector<char*> argv = PointersTo(program.command);
  const std::vector<char*> envp = PointersTo(environment);

  const int log = open(program.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0) return ErrorOf("write " + program.log);
  Pipe output{};
  Pipe failure{};
  if (pipe2(output.data(), O_CLOEXEC) != 0 || pipe2(failure.data(), O_CLOEXEC) != 0) {
    return ErrorOf("make a pipe");  // out of descriptors: what is open stays so
  }
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) Become(argv.data(), envp.data(), {output[1], log, failure[1]}, parent);
  const int fork_errno = errno;
  close(log);
  close(output[1]);
  const int why = AwaitProgram(failure);
  ChildProcess child(pid, output[0]);
  if (pid < 0 || why != 0) {
    errno = pid < 0 ? fork_errno : why;
    return ErrorOf(pid < 0 ? "fork" : "run " + program.command[0]);
  }
  fcntl(output[0], F_SETFL, O_NONBLOCK);
  return child;
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      output_(std::exchange(other.output_, -1)),
      partial_line_(std::move(other.partial_line_)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(output_, other.output_);
  std::swap(partial_line_, other.partial_line_);
  return *this;
}

ChildProcess::~ChildProcess() {
  Kill();
  if (output_ >= 0) close(output_);
}

void ChildProcess::WaitForOutput(const std::vector<ChildProcess*>& children,
                                 std::chrono::milliseconds timeout) {
  std::vector<pollfd> outputs;
  for (const ChildProcess* child : children) {
    if (child->live()) outputs.push_back({child->output_, POLLIN, 0});
  }
  poll(outputs.data(), outputs.size(), static_cast<int>(timeout.count()));
}

std::vector<std::string> ChildProcess::TakeLines() {
  std::vector<std::string> lines;
  std::array<char, 4096> buffer;
  while (live()) {
    const ssize_t size = read(output_, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) break;
    if (size <= 0) {
      close(output_);
      output_ = -1;
      break;
    }
    for (const char c : std::string_view(buffer.data(), static_cast<std::size_t>(size))) {
      if (c == '\n') {
        lines.push_back(std::exchange(partial_line_, {}));
      } else {
        partial_line_.push_back(c);
      }
    }
  }
  return lines;
}

int ChildProcess::Stop(std::chrono::milliseconds patience) {
  if (pid_ < 0) return 0;
  kill(pid_, SIGTERM);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (live()) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) {
      kill(pid_, SIGKILL);
      break;
    }
    WaitForOutput({this}, left);
    TakeLines();
  }
  return Reap();
}

int ChildProcess::Kill() {
  if (pid_ < 0) return 0;
  kill(pid_, SIGKILL);
  return Reap();
}

void ChildProcess::Freeze() {
  kill(pid_, SIGSTOP);
  // The signal only asks.
  siginfo_t stopped;
  while (waitid(P_PID, static_cast<id_t>(pid_), &stopped, WSTOPPED) < 0 && errno == EINTR) {
  }
}

void ChildProcess::Thaw() { kill(pid_, SIGCONT); }

int ChildProcess::Reap() {
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace latchkey
