#include "tools/latchkey/child.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/latchkey/command.h"

namespace latchkey::cli {
namespace {

std::vector<std::string> EnvironmentOf(const CommandOptions& options, const Attempt& attempt) {
  const std::string name_space =
      options.key_namespace.empty() ? std::string("default") : options.key_namespace;
  std::vector<std::pair<std::string, std::string>> ours = {
      {"LATCHKEY_KEY", attempt.key()},
      {"LATCHKEY_NAMESPACE", name_space},
      {"LATCHKEY_FENCING_TOKEN", std::to_string(attempt.fencing_token())},
      {"LATCHKEY_MODE", attempt.mode() == Mode::kExecute ? "EXECUTE" : "RECOVER"},
      {"LATCHKEY_DOWNSTREAM_KEY", attempt.downstream_idempotency_key()},
      {"LATCHKEY_ATTEMPT_NUMBER", std::to_string(attempt.attempt_number())}};
  // A variable cannot hold a zero byte; such a checkpoint is in `latchkey get --output=json`.
  if (const std::string checkpoint = attempt.checkpoint();
      checkpoint.find('\0') == std::string::npos) {
    ours.emplace_back("LATCHKEY_CHECKPOINT", checkpoint);
  }
  std::vector<std::string> all;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    bool replaced = false;
    for (const auto& [name, value] : ours) replaced |= text.starts_with(name + "=");
    if (!replaced && !text.starts_with("LATCHKEY_CHECKPOINT=")) all.emplace_back(text);
  }
  for (const auto& [name, value] : ours) all.push_back(name + "=" + value);
  return all;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// A pipe, each end closed on exec and with this object.
struct Pipe {
  Pipe() {
    if (pipe2(ends.data(), O_CLOEXEC) != 0) ends = {-1, -1};
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    for (const int end : ends) {
      if (end >= 0) close(end);
    }
  }
  int TakeReading() { return std::exchange(ends[0], -1); }
  void CloseWriting() {
    close(ends[1]);
    ends[1] = -1;
  }
  std::array<int, 2> ends{};
};

struct Plan {
  char* const* arguments;
  char* const* environment;
  const sigset_t* mask;
  int output;  // -1: ours
  int errors;
  bool no_terminal_input;
  bool take_terminal;
  int error_to;
  pid_t parent;
};

// In the child, which has copies of this process's locks in whatever state they were: only calls
// that are safe after a fork of a process with threads.
[[noreturn]] void Become(const Plan& plan) {
  const auto fail = [&plan] {
    const int error = errno;
    (void)!write(plan.error_to, &error, sizeof(error));
    _exit(127);
  };
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != plan.parent) _exit(127);
  signal(SIGTTOU, SIG_IGN);
  if (plan.take_terminal) tcsetpgrp(STDIN_FILENO, getpid());
  signal(SIGTTOU, SIG_DFL);
  signal(SIGPIPE, SIG_DFL);
  if (plan.no_terminal_input) {
    const int null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0) fail();
    close(null);
  }
  if (plan.output >= 0 && dup2(plan.output, STDOUT_FILENO) < 0) fail();
  if (plan.errors >= 0 && dup2(plan.errors, STDERR_FILENO) < 0) fail();
  sigprocmask(SIG_SETMASK, plan.mask, nullptr);
  execvpe(plan.arguments[0], plan.arguments, plan.environment);
  fail();
  _exit(127);
}

}  // namespace

std::variant<Child, int> Child::Start(const CommandOptions& options, const Attempt& attempt,
                                      const sigset_t& mask) {
  std::vector<std::string> command = options.command;
  std::vector<std::string> environment = EnvironmentOf(options, attempt);
  const auto arguments = Pointers(command);
  const auto variables = Pointers(environment);
  Pipe output;
  Pipe errors;
  Pipe failure;
  if (output.ends[0] < 0 || errors.ends[0] < 0 || failure.ends[0] < 0) return EMFILE;
  const bool terminal = isatty(STDIN_FILENO) != 0;
  const pid_t terminal_of = terminal ? tcgetpgrp(STDIN_FILENO) : -1;
  Plan plan{.arguments = arguments.data(),
            .environment = variables.data(),
            .mask = &mask,
            .output = options.capture ? output.ends[1] : -1,
            .errors = options.capture ? errors.ends[1] : -1,
            .no_terminal_input = options.capture && terminal,
            .take_terminal = !options.capture && terminal && terminal_of == getpgrp(),
            .error_to = failure.ends[1],
            .parent = getpid()};
  Child child;
  child.pid_ = fork();
  if (child.pid_ < 0) return errno;
  if (child.pid_ == 0) Become(plan);
  setpgid(child.pid_, child.pid_);  // whoever is first
  if (plan.take_terminal) child.terminal_of_ = terminal_of;
  output.CloseWriting();
  errors.CloseWriting();
  failure.CloseWriting();
  int error = 0;
  if (read(failure.ends[0], &error, sizeof(error)) == sizeof(error)) {
    waitpid(child.pid_, nullptr, 0);
    child.ended_ = true;
    return error;
  }
  // Debian 12's header for it is not made for C++.
  child.descriptor_ = static_cast<int>(syscall(SYS_pidfd_open, child.pid_, 0));
  if (options.capture) {
    child.output_ = output.TakeReading();
    child.errors_ = errors.TakeReading();
    fcntl(child.output_, F_SETFL, O_NONBLOCK);
    fcntl(child.errors_, F_SETFL, O_NONBLOCK);
  }
  return child;
}

Child::Child(Child&& other) noexcept
    : pid_(other.pid_),
      descriptor_(std::exchange(other.descriptor_, -1)),
      output_(other.output_),
      errors_(other.errors_),
      status_(other.status_),
      ended_(other.ended_),
      terminal_of_(std::exchange(other.terminal_of_, -1)) {}

Child::~Child() {
  if (terminal_of_ >= 0) {
    signal(SIGTTOU, SIG_IGN);
    tcsetpgrp(STDIN_FILENO, terminal_of_);
  }
  if (descriptor_ >= 0) close(descriptor_);
}

bool Child::Ended() {
  if (!ended_) ended_ = waitpid(pid_, &status_, WNOHANG) == pid_;
  return ended_;
}

void Child::ContinueIfStopped() const {
  if (terminal_of_ < 0) return;
  siginfo_t info{};
  if (waitid(P_PID, static_cast<id_t>(pid_), &info, WSTOPPED | WNOHANG) == 0 && info.si_pid != 0) {
    SignalGroup(SIGCONT);
  }
}

void Child::SignalGroup(int signal) const { kill(-pid_, signal); }

bool Child::GroupLives() const { return kill(-pid_, 0) == 0; }

}  // namespace latchkey::cli
