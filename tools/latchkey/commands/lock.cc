// Runs a command under a lock, and remembers nothing: flock(1) for a fleet.

#include <signal.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <utility>

#include "latchkey/client.h"
#include "tools/latchkey/command.h"
#include "tools/latchkey/commands/commands.h"
#include "tools/latchkey/durations.h"
#include <CLI/Validators.hpp>

namespace latchkey::cli {
namespace {

// As long as flock(1) waits, for all that matters.
constexpr std::chrono::hours kForever(24 * 365);

struct Options {
  std::string key;
  std::string holder;
  bool nonblock = false;
  std::optional<int> conflict_exit_code;
  std::optional<std::chrono::nanoseconds> wait;
  std::optional<std::chrono::nanoseconds> lease;
  std::optional<std::chrono::nanoseconds> kill_after;
};

class LockedRun {
 public:
  LockedRun(const Options& options, Session& session)
      : options_(options),
        session_(session),
        client_(MakeClient(session.connection, options.holder)) {
    command_.command = session.command;
    command_.key_namespace = session.connection.key_namespace;
    command_.lease = options.lease.value_or(command_.lease);
    command_.grace = options.kill_after.value_or(command_.grace);
  }

  int Run() {
    // However long the wait may be, it begins only with a service that answers.
    const auto known = client_.CheckResult(
        options_.key, {.timeout = session_.connection.timeout, .stop = requests_.stop()});
    if (!known.ok()) return Unanswered(known.error());
    AcquireOptions asking;
    asking.lease_duration = command_.lease;
    asking.on_lapse = OnLapse::kForget;
    asking.wait_timeout =
        options_.nonblock ? std::chrono::nanoseconds(0) : options_.wait.value_or(kForever);
    asking.acquire_timeout = session_.connection.timeout;
    asking.stop = requests_.stop();
    auto acquired = client_.AcquireLock(options_.key, asking);
    if (auto* lease = std::get_if<Lease>(&acquired)) return Under(*lease);
    if (const auto* contention = std::get_if<Contention>(&acquired)) return Held(*contention);
    if (std::holds_alternative<Completed>(acquired)) {
      Note(options_.key + " has a recorded result and is no lock: take another key");
      return kRefused;
    }
    return Unanswered(std::get<Error>(acquired));
  }

 private:
  int Under(Lease& lease) {
    if (lease.mode() == Mode::kRecover) {
      (void)lease.Release(Effect::kUnknown);
      Note(options_.key + " is in doubt and is no lock; nothing was run");
      return kInDoubt;
    }
    const CommandEnd end = RunCommand(command_, lease, requests_);
    const auto released = lease.Release(Effect::kNotExecuted);
    if (end.kind == CommandEnd::Kind::kNotStarted) {
      Note(session_.command[0] + " cannot be executed: " + std::strerror(end.code));
    } else if (end.lease_lost) {
      Note("the lock was lost (" + end.lease_lost_why + "): the command was ended");
      return kInDoubt;
    } else if (!released.ok()) {
      Note("the lock could not be given back and ends with its lease: " + released.error().message);
    }
    return end.ExitCode();
  }

  int Held(const Contention& contention) const {
    Note("held by " +
         (contention.holder_id.empty() ? std::string("somebody") : contention.holder_id) +
         "; nothing was run");
    const bool waited = !options_.nonblock && options_.wait && options_.wait->count() > 0;
    return options_.conflict_exit_code.value_or(waited ? kWaitedInVain : kHeld);
  }

  int Unanswered(Error error) const {
    if (const int signal = requests_.first(); error.reason == "CANCELLED" && signal != 0) {
      Note("told to stop; nothing was run");
      return 128 + signal;
    }
    if (error.reason.empty()) {
      error.message = session_.connection.address + " does not answer: " + error.message;
    }
    return Fail(error);
  }

  const Options& options_;
  Session& session_;
  EndRequests requests_;  // before the client, whose threads must have its mask
  Client client_;
  CommandOptions command_;
};

}  // namespace

void AddLock(Cli& cli) {
  const auto options = std::make_shared<Options>();
  CLI::App& sub = cli.Add(
      "lock", "Run a command under a lock: flock(1) for a fleet",
      "  latchkey lock --key=migrations --wait=5m -- ./migrate.sh\n"
      "Waits for the lock for ever, unless told otherwise. Nothing is remembered of the run.",
      [options](Session& session) {
        if (options->holder.empty()) {
          options->holder = UserAtHost() + "/" + std::to_string(getpid());
        }
        return LockedRun(*options, session).Run();
      },
      /*takes_command=*/true);
  sub.add_option("-k,--key", options->key, "the lock's name")->required()->type_name("KEY");
  auto* wait = AddDuration(sub, "-w,--wait", options->wait, "wait for the lock so long [for ever]");
  sub.add_flag("-n,--nonblock", options->nonblock, "do not wait for the lock")->excludes(wait);
  sub.add_option("-E,--conflict-exit-code", options->conflict_exit_code,
                 "how to end when the lock is not got [73; 124 after waiting]")
      ->check(CLI::Range(0, 255))
      ->type_name("CODE");
  AddDuration(sub, "--lease", options->lease,
              "how long the lock is held should this machine die; renewed while it lives [30s]");
  AddDuration(sub, "--kill-after", options->kill_after,
              "between asking the command to end and killing it, when the lock is lost [10s, at "
              "most a third of the lease]");
  sub.add_option("--holder", options->holder, "who holds it, for people [user@host/process]")
      ->type_name("NAME");
}

}  // namespace latchkey::cli
