// Runs a command under a lock, and remembers nothing: flock(1) for a fleet.

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
  RunOptions run;
  bool nonblock = false;
  std::optional<int> conflict_exit_code;
};

class LockedRun {
 public:
  LockedRun(const Options& options, Session& session)
      : options_(options),
        session_(session),
        client_(MakeClient(session.connection, HolderOf(options.run))),
        command_(CommandFor(session, options.run)) {}

  int Run() {
    // However long the wait may be, it begins only with a service that answers.
    const auto known = client_.CheckResult(
        options_.run.key, {.timeout = session_.connection.timeout, .stop = requests_.stop()});
    if (!known.ok()) return Unanswered(session_, requests_, known.error());
    AcquireOptions asking;
    asking.lease_duration = command_.lease;
    asking.on_lapse = OnLapse::kForget;
    asking.wait_timeout =
        options_.nonblock ? std::chrono::nanoseconds(0) : options_.run.wait.value_or(kForever);
    asking.acquire_timeout = session_.connection.timeout;
    asking.stop = requests_.stop();
    auto acquired = client_.AcquireLock(options_.run.key, asking);
    if (auto* lease = std::get_if<Lease>(&acquired)) return Under(*lease);
    if (const auto* contention = std::get_if<Contention>(&acquired)) return Held(*contention);
    if (std::holds_alternative<Completed>(acquired)) {
      Note(options_.run.key + " has a recorded result and is no lock: take another key");
      return kRefused;
    }
    return Unanswered(session_, requests_, std::get<Error>(acquired));
  }

 private:
  int Under(Lease& lease) {
    if (lease.mode() == Mode::kRecover) {
      (void)lease.Release(Effect::kUnknown);
      Note(options_.run.key + " is in doubt and is no lock; nothing was run");
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
    const auto& wait = options_.run.wait;
    const int code = HeldBy(contention.holder_id, !options_.nonblock && wait && wait->count() > 0);
    return options_.conflict_exit_code.value_or(code);
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
      [options](Session& session) { return LockedRun(*options, session).Run(); },
      /*takes_command=*/true);
  sub.add_option("-k,--key", options->run.key, "the lock's name")->required()->type_name("KEY");
  auto* wait =
      AddDuration(sub, "-w,--wait", options->run.wait, "wait for the lock so long [for ever]");
  sub.add_flag("-n,--nonblock", options->nonblock, "do not wait for the lock")->excludes(wait);
  sub.add_option("-E,--conflict-exit-code", options->conflict_exit_code,
                 "how to end when the lock is not got [73; 124 after waiting]")
      ->check(CLI::Range(0, 255))
      ->type_name("CODE");
  AddRunOptions(sub, options->run);
}

}  // namespace latchkey::cli
