#include <algorithm>
#include <array>
#include <map>
#include <memory>

#include "tools/latchkey/commands/commands.h"
#include "tools/latchkey/durations.h"
#include "tools/latchkey/fingerprint.h"
#include <CLI/Validators.hpp>
#include <uuid/uuid.h>

namespace latchkey::cli {
namespace {

// The longest wait of one call.
constexpr std::chrono::seconds kWaitMax(60);

struct Options {
  std::string key;
  std::optional<std::chrono::nanoseconds> lease;
  std::optional<std::chrono::nanoseconds> wait;
  std::optional<std::chrono::nanoseconds> downstream_key_ttl;
  std::optional<std::chrono::system_clock::time_point> first_sent_at;
  std::string holder = UserAtHost();
  std::string attempt_id;
  std::string fingerprint;
  std::string on_lapse = "in-doubt";
  bool accept_recover = false;
};

std::string NewAttemptId() {
  uuid_t id;
  uuid_generate_random(id);
  std::array<char, UUID_STR_LEN> text{};
  uuid_unparse_lower(id, text.data());
  return text.data();
}

v1::AcquireLockRequest::OnLapse OnLapseOf(const std::string& name) {
  if (name == "forget") return v1::AcquireLockRequest::FORGET;
  if (name == "forget-unless-started") return v1::AcquireLockRequest::FORGET_UNLESS_STARTED;
  return v1::AcquireLockRequest::IN_DOUBT;
}

v1::AcquireLockRequest RequestOf(const Options& options, const Session& session) {
  v1::AcquireLockRequest request;
  request.set_namespace_(session.connection.key_namespace);
  request.set_key(options.key);
  request.set_attempt_id(options.attempt_id.empty() ? NewAttemptId() : options.attempt_id);
  request.set_holder_id(options.holder);
  request.set_fingerprint(FingerprintOf(options.fingerprint));
  *request.mutable_lease_duration() =
      ToProto(options.lease.value_or(std::chrono::nanoseconds(std::chrono::minutes(1))));
  request.set_on_lapse(OnLapseOf(options.on_lapse));
  request.set_accept_recover(options.accept_recover);
  if (options.first_sent_at) *request.mutable_first_sent_at() = ToProto(*options.first_sent_at);
  if (options.downstream_key_ttl) {
    *request.mutable_downstream_key_ttl() = ToProto(*options.downstream_key_ttl);
  }
  return request;
}

Table Describe(const v1::Grant& grant) {
  Table table({{""}, {""}});
  const bool recover = grant.mode() == v1::Grant::RECOVER;
  table.Add({"fencing token", std::to_string(grant.fencing_token())});
  table.Add(
      {"mode", Cell(v1::Grant::Mode_Name(grant.mode()), recover ? Tint::kRed : Tint::kGreen)});
  if (recover) table.Add({"action", v1::Grant::RecoverAction_Name(grant.recover_action())});
  table.Add({"lease left", FormatDuration(FromProto(grant.lease_remaining()))});
  table.Add({"attempt", std::to_string(grant.attempt_number())});
  table.Add({"downstream key", grant.downstream_idempotency_key()});
  if (!grant.checkpoint().empty()) table.Add({"checkpoint", Printable(grant.checkpoint())});
  if (!grant.previous_holder_id().empty()) {
    table.Add({"previous holder", Printable(grant.previous_holder_id())});
  }
  return table;
}

// What is printed, and how it ends.
int Tell(const v1::AcquireLockResponse& response, bool waited, const Output& output) {
  if (output.json()) output.Json(response);
  if (response.has_grant()) {
    if (!output.json()) output.Lines(Describe(response.grant()));
    return kDone;
  }
  if (response.has_completed()) {
    Table table({{""}, {""}});
    table.Add({"state", StateCell(v1::CheckResultResponse::COMPLETED)});
    Describe(response.completed().result(), table);
    if (!output.json()) output.Lines(table);
    return kDone;
  }
  const auto& contention = response.contention();
  if (contention.in_doubt()) {
    Note("the key is in doubt; --accept-recover takes it over");
    return kInDoubt;
  }
  Note("held by " + (contention.holder_id().empty() ? "somebody" : contention.holder_id()) +
       "; ask again in " + FormatDuration(FromProto(contention.retry_after())));
  return waited ? kWaitedInVain : kHeld;
}

int Acquire(const Options& options, Session& session) {
  Service service(session.connection);
  auto request = RequestOf(options, session);
  const auto until =
      std::chrono::steady_clock::now() + options.wait.value_or(std::chrono::nanoseconds(0));
  while (true) {
    const auto left = std::max<std::chrono::nanoseconds>(until - std::chrono::steady_clock::now(),
                                                         std::chrono::nanoseconds(0));
    const auto wait = std::min<std::chrono::nanoseconds>(left, kWaitMax);
    *request.mutable_wait_timeout() = ToProto(wait);
    auto answer = service.Call(service.coordination(), &v1::CoordinationService::Stub::AcquireLock,
                               request, wait);
    if (!answer.ok()) return Fail(answer.error());
    const bool over = left <= kWaitMax;
    if (!answer->has_contention() || answer->contention().in_doubt() || over) {
      return Tell(*answer, options.wait.has_value(), session.output);
    }
  }
}

}  // namespace

void AddAcquire(Cli& cli) {
  const auto options = std::make_shared<Options>();
  CLI::App& sub =
      cli.Add("acquire", "Lock a key, or get its result",
              "  latchkey acquire order:123 --lease=5m --wait=30s\n"
              "Then renew it while you work, and end it with record or release. `latchkey once` "
              "does all\nof that.",
              [options](Session& session) { return Acquire(*options, session); });
  AddKey(sub, options->key);
  AddDuration(sub, "--lease", options->lease, "how long to hold it without a renewal [1m]");
  AddDuration(sub, "--wait", options->wait, "how long to wait for it [0]");
  sub.add_option("--holder", options->holder, "who asks, for people")
      ->type_name("NAME")
      ->capture_default_str();
  sub.add_option("--fingerprint", options->fingerprint,
                 "what the work is; the same key with other work is refused")
      ->type_name("TEXT");
  sub.add_option("--on-lapse", options->on_lapse,
                 "what a lease that runs out leaves behind: in-doubt, forget, "
                 "forget-unless-started [in-doubt]")
      ->check(CLI::IsMember({"in-doubt", "forget", "forget-unless-started"}))
      ->type_name("WHAT");
  sub.add_flag("--accept-recover", options->accept_recover,
               "take over a key in doubt; look at `mode` then");
  AddDuration(sub, "--downstream-key-ttl", options->downstream_key_ttl,
              "how long the provider deduplicates");
  AddTime(sub, "--first-sent-at", options->first_sent_at, "when the work was first asked for");
  sub.add_option("--attempt-id", options->attempt_id,
                 "repeats an attempt whose answer was lost [a new one]")
      ->type_name("ID");
}

}  // namespace latchkey::cli
