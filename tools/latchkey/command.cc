#include "tools/latchkey/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "tools/latchkey/child.h"

namespace latchkey::cli {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kTickMilliseconds = 50;
// What is passed through at once: a pipe that is ready takes so much without waiting.
constexpr std::size_t kPiece = 4096;
// A command that writes faster than its output is read is made to wait.
constexpr std::size_t kPendingMax = 1 << 16;
// After the command's end: how long to wait for others that still have its output open.
constexpr std::chrono::milliseconds kStragglers(250);

// One of the command's streams: read, kept in part, passed on to where it would have gone.
class Stream {
 public:
  Stream(int from, int to, Captured& captured, std::string& pending, std::size_t keep)
      : from_(from), to_(to), captured_(captured), pending_(pending), keep_(keep) {}

  pollfd Reading() const { return {pending_.size() < kPendingMax ? from_ : -1, POLLIN, 0}; }
  pollfd Writing() const { return {pending_.empty() ? -1 : to_, POLLOUT, 0}; }
  // As Reading, however much is pending.
  pollfd Draining() const { return {from_, POLLIN, 0}; }
  bool open() const { return from_ >= 0; }

  // False when there is nothing to read now.
  bool Read() {
    if (from_ < 0) return false;
    std::array<char, kPendingMax> bytes;
    const ssize_t count = read(from_, bytes.data(), bytes.size());
    if (count < 0) return errno == EINTR;
    if (count == 0) {
      Close();
      return false;
    }
    const auto size = static_cast<std::size_t>(count);
    captured_.written += size;
    const std::size_t room = keep_ - std::min(keep_, captured_.kept.size());
    captured_.kept.append(bytes.data(), std::min(room, size));
    if (to_ >= 0) pending_.append(bytes.data(), size);
    return true;
  }

  void Write() {
    const ssize_t count = write(to_, pending_.data(), std::min(pending_.size(), kPiece));
    if (count > 0) {
      pending_.erase(0, static_cast<std::size_t>(count));
    } else if (count < 0 && errno != EINTR && errno != EAGAIN) {
      to_ = -1;  // nobody reads; it is kept all the same
      pending_.clear();
    }
  }

  void Close() {
    if (from_ >= 0) close(from_);
    from_ = -1;
  }

 private:
  int from_;
  int to_;
  Captured& captured_;
  std::string& pending_;
  std::size_t keep_;
};

class Watch {
 public:
  Watch(const CommandOptions& options, Attempt& attempt, EndRequests& requests, Child child,
        CommandEnd& end)
      : attempt_(attempt),
        requests_(requests),
        child_(std::move(child)),
        end_(end),
        grace_(std::min(options.grace, options.lease / 3)),
        output_(child_.output(), STDOUT_FILENO, end.output, end.output_left, options.capture_bytes),
        errors_(child_.errors(), STDERR_FILENO, end.errors, end.errors_left,
                options.capture_bytes) {}

  const Child& child() const { return child_; }

  void Run() {
    while (!child_.Ended()) {
      Pass(kTickMilliseconds);
      child_.ContinueIfStopped();
      HandOn();
      Guard();
    }
    Drain();
    while (kill_at_ && child_.GroupLives()) {
      Pass(kTickMilliseconds);
      HandOn();
      Guard();
    }
    output_.Close();
    errors_.Close();
  }

 private:
  // Waits a tick at most, and moves what output there is.
  void Pass(int milliseconds) {
    std::array<pollfd, 6> ready = {output_.Reading(),
                                   errors_.Reading(),
                                   output_.Writing(),
                                   errors_.Writing(),
                                   pollfd{child_.descriptor(), POLLIN, 0},
                                   pollfd{requests_.descriptor(), POLLIN, 0}};
    if (poll(ready.data(), ready.size(), milliseconds) <= 0) return;
    if (ready[0].revents != 0) output_.Read();
    if (ready[1].revents != 0) errors_.Read();
    if (ready[2].revents != 0) output_.Write();
    if (ready[3].revents != 0) errors_.Write();
  }

  void HandOn() {
    while (const int signal = requests_.Take()) {
      end_.told_to_stop = true;
      child_.SignalGroup(signal);
    }
  }

  void Guard() {
    const auto now = SteadyClock::now();
    if (kill_at_) {
      if (now >= *kill_at_) child_.SignalGroup(SIGKILL);
      return;
    }
    const auto left = attempt_.remaining();
    if (attempt_.state() != LeaseState::kLost && left > grace_) return;
    end_.told_to_stop = true;
    end_.lease_lost = true;
    end_.lease_lost_why = attempt_.state_reason();
    if (end_.lease_lost_why.empty()) end_.lease_lost_why = "the service does not answer";
    kill_at_ = now + (left.count() > 0 ? left : grace_);
    child_.SignalGroup(SIGTERM);
  }

  // The command has ended: takes what it wrote, and a little of what others write in its name.
  void Drain() {
    const auto until = SteadyClock::now() + kStragglers;
    while ((output_.open() || errors_.open()) && SteadyClock::now() < until) {
      std::array<pollfd, 2> ready = {output_.Draining(), errors_.Draining()};
      poll(ready.data(), ready.size(), kTickMilliseconds);
      if (ready[0].revents != 0) output_.Read();
      if (ready[1].revents != 0) errors_.Read();
    }
  }

  Attempt& attempt_;
  EndRequests& requests_;
  Child child_;
  CommandEnd& end_;
  const std::chrono::nanoseconds grace_;
  Stream output_;
  Stream errors_;
  std::optional<SteadyClock::time_point> kill_at_;
};

}  // namespace

void AddRunOptions(CLI::App& sub, RunOptions& options) {
  AddDuration(sub, "--lease", options.lease,
              "how long the key is held should this machine die; renewed while it lives [30s]");
  AddDuration(sub, "--kill-after", options.kill_after,
              "between asking the command to end and killing it, when the lease is lost [10s, at "
              "most a third of the lease]");
  sub.add_option("--holder", options.holder, "who runs it, for people [user@host/process]")
      ->type_name("NAME");
}

std::string HolderOf(const RunOptions& options) {
  if (!options.holder.empty()) return options.holder;
  return UserAtHost() + "/" + std::to_string(getpid());
}

CommandOptions CommandFor(const Session& session, const RunOptions& options) {
  CommandOptions command;
  command.command = session.command;
  command.key_namespace = session.connection.key_namespace;
  command.lease = options.lease.value_or(command.lease);
  command.grace = options.kill_after.value_or(command.grace);
  return command;
}

int CommandEnd::ExitCode() const {
  switch (kind) {
    case Kind::kExited:
      return code;
    case Kind::kSignalled:
      return 128 + code;
    case Kind::kNotStarted:
      break;
  }
  return code == ENOENT ? 127 : 126;
}

CommandEnd RunCommand(const CommandOptions& options, Attempt& attempt, EndRequests& requests) {
  CommandEnd end;
  auto started = Child::Start(options, attempt, requests.mask_before());
  if (const int* error = std::get_if<int>(&started)) {
    end.code = *error;
    return end;
  }
  Watch watch(options, attempt, requests, std::get<Child>(std::move(started)), end);
  watch.Run();
  const int status = watch.child().status();
  end.kind = WIFEXITED(status) ? CommandEnd::Kind::kExited : CommandEnd::Kind::kSignalled;
  end.code = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
  return end;
}

int Unanswered(const Session& session, const EndRequests& requests, Error error) {
  if (const int signal = requests.first(); error.reason == "CANCELLED" && signal != 0) {
    Note("told to stop; nothing was run");
    return 128 + signal;
  }
  if (error.reason.empty()) {
    error.message = session.connection.address + " does not answer: " + error.message;
  }
  return Fail(error);
}

int HeldBy(const std::string& holder, bool waited) {
  Note("held by " + (holder.empty() ? std::string("somebody") : holder) + "; nothing was run");
  return waited ? kWaitedInVain : kHeld;
}

void WriteAll(int descriptor, const std::string& bytes) {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t count = write(descriptor, bytes.data() + done, bytes.size() - done);
    if (count > 0) {
      done += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN) {
      pollfd ready = {descriptor, POLLOUT, 0};
      poll(&ready, 1, -1);
    } else if (errno != EINTR) {
      return;
    }
  }
}

}  // namespace latchkey::cli
