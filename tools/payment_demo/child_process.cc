#include "tools/payment_demo/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace latchkey::demo {
namespace {

absl::Status ErrorOf(const std::string& doing) {
  return absl::InternalError("cannot " + doing + ": " + std::strerror(errno));
}

// In the child, after fork: only what is allowed there when the parent has threads.
[[noreturn]] void Become(char* const* argv, int output, int log, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  dup2(output, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  execv(argv[0], argv);
  _exit(127);
}

}  // namespace

absl::StatusOr<ChildProcess> ChildProcess::Start(const std::vector<std::string>& command,
                                                 const std::string& log) {
  std::vector<char*> argv;
  argv.reserve(command.size() + 1);
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  if (access(argv[0], X_OK) != 0) return ErrorOf("run " + command[0]);

  const int log_file = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log_file < 0) return ErrorOf("write " + log);
  std::array<int, 2> output{};
  if (pipe2(output.data(), O_CLOEXEC) != 0) return ErrorOf("make a pipe");
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) Become(argv.data(), output[1], log_file, parent);
  close(log_file);
  close(output[1]);
  if (pid < 0) {
    close(output[0]);
    return ErrorOf("fork");
  }
  fcntl(output[0], F_SETFL, O_NONBLOCK);
  return ChildProcess(pid, output[0]);
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
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    Reap();
  }
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

int ChildProcess::Reap() {
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace latchkey::demo
