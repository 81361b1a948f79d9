// Runs a command at most once among all callers anywhere. docs/cli.md tells what each end means.

#include <signal.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <utility>

#include "latchkey/client.h"
#include "tools/latchkey/command.h"
#include "tools/latchkey/commands/commands.h"
#include "tools/latchkey/durations.h"
#include "tools/latchkey/fingerprint.h"
#include "tools/latchkey/recorded_run.h"
#include <CLI/Validators.hpp>

namespace latchkey::cli {
namespace {

struct Options {
  RunOptions run;
  std::string fingerprint;
  std::string if_in_doubt = "fail";
  bool retry_on_failure = false;
  bool verbose = false;
  std::size_t output_limit = 64 << 10;
  std::optional<std::chrono::nanoseconds> retention;
  std::optional<std::chrono::nanoseconds> record_timeout;
  std::optional<std::chrono::system_clock::time_point> first_sent_at;
};

class OnceRun {
 public:
  OnceRun(const Options& options, Session& session)
      : options_(options),
        session_(session),
        client_(MakeClient(session.connection, HolderOf(options.run))),
        command_(CommandFor(session, options.run)) {
    command_.capture = true;
    command_.capture_bytes = options.output_limit;
  }

  int Run() {
    if (const auto known = Look()) return *known;
    const Work work = [this](Attempt& attempt) { return Execute(attempt); };
    const Work leave = [this](Attempt& attempt) {
      earlier_holder_ = attempt.previous_holder_id();
      return Unknown("left in doubt");
    };
    const bool rerun = options_.if_in_doubt == "rerun";
    RunResult run = client_.RunOnce(options_.run.key, Asking(), work, rerun ? work : leave);
    WriteAll(STDOUT_FILENO, std::exchange(end_.output_left, {}));
    WriteAll(STDERR_FILENO, std::exchange(end_.errors_left, {}));
    return Conclude(run);
  }

 private:
  // Without taking the lock: a completed key is replayed, and a key in doubt is left as it is.
  std::optional<int> Look() {
    CheckOptions check{.fingerprint = FingerprintOf(options_.fingerprint),
                       .first_sent_at = options_.first_sent_at,
                       .timeout = session_.connection.timeout,
                       .stop = requests_.stop()};
    auto answer = client_.CheckResult(options_.run.key, check);
    if (answer.ok() && answer->state == KeyStatus::State::kInDoubt &&
        options_.if_in_doubt == "fail") {
      // What ends the doubt may come: the late result of its holder, or an operator's word.
      check.wait_timeout = options_.run.wait.value_or(std::chrono::nanoseconds(0));
      if (check.wait_timeout.count() > 0) answer = client_.CheckResult(options_.run.key, check);
      if (answer.ok() && answer->state == KeyStatus::State::kInDoubt) {
        return InDoubt(answer->holder_id);
      }
    }
    if (!answer.ok()) return Unanswered(session_, requests_, answer.error());
    if (answer->state == KeyStatus::State::kCompleted) return Replay(*answer->result);
    return std::nullopt;
  }

  AcquireOptions Asking() const {
    AcquireOptions asking;
    asking.fingerprint = FingerprintOf(options_.fingerprint);
    asking.lease_duration = command_.lease;
    asking.wait_timeout = options_.run.wait.value_or(std::chrono::nanoseconds(0));
    asking.acquire_timeout = session_.connection.timeout;
    asking.record_timeout = options_.record_timeout.value_or(asking.record_timeout);
    asking.first_sent_at = options_.first_sent_at;
    asking.stop = requests_.stop();
    return asking;
  }

  Outcome Execute(Attempt& attempt) {
    ran_ = true;
    end_ = RunCommand(command_, attempt, requests_);
    using Kind = CommandEnd::Kind;
    if (end_.kind == Kind::kNotStarted) return NotExecuted("the command could not be executed");
    if (end_.lease_lost) {
      Note("the lease was lost (" + end_.lease_lost_why + "): the command was ended");
    }
    // Nobody knows how far it got; what a command says that was told to stop counts if it says that
    // it is done.
    if (end_.kind == Kind::kSignalled) return Unknown("ended by a signal");
    if (end_.told_to_stop && end_.code != 0) return Unknown("told to stop");
    if (end_.code != 0 && options_.retry_on_failure) return NotExecuted("a failure without effect");
    RecordedRun run{.exit_code = end_.code, .output = end_.output, .errors = end_.errors};
    return OutcomeOf(run, options_.output_limit, options_.retention);
  }

  int Conclude(RunResult& run) {
    using Status = RunResult::Status;
    if (ran_ && end_.kind == CommandEnd::Kind::kNotStarted) {
      Note(session_.command[0] + " cannot be executed: " + std::strerror(end_.code));
      return end_.ExitCode();
    }
    switch (run.status) {
      case Status::kSucceeded:
      case Status::kRejected:
        if (!ran_) return Replay(*run.result);
        if (run.superseded) return Superseded(*run.result);
        Tell("ran here, token " + std::to_string(run.result->fencing_token));
        return end_.code;
      case Status::kNotExecuted:
        Tell("ran here and failed; it may be tried again");
        return end_.ExitCode();
      case Status::kInDoubt:
        return ran_ ? NowInDoubt() : InDoubt(earlier_holder_);
      case Status::kContention:
        return HeldBy(run.contention->holder_id, options_.run.wait.has_value());
      case Status::kUnrecorded:
        Note("the command ran (" + HowItEnded() + "), but the service has not confirmed that: " +
             (run.error ? run.error->message : "no answer"));
        return kInDoubt;
      case Status::kRefused:
      case Status::kUnavailable:
        return Unanswered(session_, requests_, *run.error);
    }
    return kFailed;
  }

  std::string HowItEnded() const {
    return (end_.kind == CommandEnd::Kind::kExited ? "exit code " : "signal ") +
           std::to_string(end_.code);
  }

  int NowInDoubt() const {
    Note("the command ended with " + HowItEnded() +
         (end_.told_to_stop ? " after it was told to stop" : "") + ": " + options_.run.key +
         " is in doubt");
    return kInDoubt;
  }

  int InDoubt(const std::string& holder) const {
    Note(options_.run.key +
         " is in doubt: " + (holder.empty() ? "an earlier run" : "the run of " + holder) +
         " ended without a result; nothing was run. Find out what it did, then `latchkey resolve` "
         "it, or run it again with --if-in-doubt=rerun");
    return kInDoubt;
  }

  int Superseded(const StoredResult& result) const {
    Note("the command ran here (" + HowItEnded() +
         "), but another run's result counts: it may have run twice");
    return Recall(result).run.exit_code;
  }

  int Replay(const StoredResult& result) const {
    const Recalled recalled = Recall(result);
    WriteAll(STDOUT_FILENO, recalled.run.output.kept);
    WriteAll(STDERR_FILENO, recalled.run.errors.kept);
    if (!recalled.note.empty()) Note(recalled.note);
    Tell("replayed; ran under token " + std::to_string(result.fencing_token) + " until " +
         FormatTime(ToProto(result.recorded_at)));
    return recalled.run.exit_code;
  }

  void Tell(const std::string& line) const {
    if (options_.verbose) Note(line);
  }

  const Options& options_;
  Session& session_;
  EndRequests requests_;  // before the client, whose threads must have its mask
  Client client_;
  CommandOptions command_;
  bool ran_ = false;
  CommandEnd end_;
  std::string earlier_holder_;
};

void AddOptions(CLI::App& sub, Options& options) {
  sub.add_option("-k,--key", options.run.key, "names the work: one run for each key")
      ->required()
      ->type_name("KEY");
  AddDuration(sub, "--wait", options.run.wait,
              "wait so long for the result of somebody who is at it [0]");
  sub.add_option("--if-in-doubt", options.if_in_doubt,
                 "what to do when an earlier run ended without a result: fail, with exit code 75, "
                 "or rerun [fail]")
      ->check(CLI::IsMember({"fail", "rerun"}))
      ->type_name("WHAT");
  sub.add_flag("--retry-on-failure", options.retry_on_failure,
               "a run that fails has no effect: do not record it, so that the next caller runs it");
  AddRunOptions(sub, options.run);
  AddDuration(sub, "--retention", options.retention,
              "how long its output is kept [the namespace's setting]");
  sub.add_option("--output-limit", options.output_limit,
                 "how many bytes of its output are kept; more needs a server that is set up for it "
                 "[65536]")
      ->check(CLI::Range(std::size_t{0}, std::size_t{1} << 20))
      ->type_name("BYTES");
  sub.add_option("--fingerprint", options.fingerprint,
                 "what the work is; the same key with another one is refused")
      ->type_name("TEXT");
  AddTime(sub, "--first-sent-at", options.first_sent_at,
          "when the work was first asked for: older than the service remembers is refused");
  AddDuration(sub, "--record-timeout", options.record_timeout,
              "how long to go on telling the service how it ended [2m]");
  sub.add_flag("-v,--verbose", options.verbose, "say whether it ran here or was replayed");
}

}  // namespace

void AddOnce(Cli& cli) {
  const auto options = std::make_shared<Options>();
  CLI::App& sub = cli.Add(
      "once", "Run a command at most once among all callers; everybody gets its output",
      "  latchkey once --key=report-$(date +%F) --wait=10m -- /usr/local/bin/report --all\n"
      "The same line in the crontab of twenty machines runs it on one of them. It is told\n"
      "LATCHKEY_KEY, LATCHKEY_NAMESPACE, LATCHKEY_FENCING_TOKEN, LATCHKEY_MODE,\n"
      "LATCHKEY_DOWNSTREAM_KEY, LATCHKEY_ATTEMPT_NUMBER and LATCHKEY_CHECKPOINT.",
      [options](Session& session) {
        signal(SIGPIPE, SIG_IGN);  // who reads our output may go; the command's end still counts
        return OnceRun(*options, session).Run();
      },
      /*takes_command=*/true);
  AddOptions(sub, *options);
}

}  // namespace latchkey::cli
