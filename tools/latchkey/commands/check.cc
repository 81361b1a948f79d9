#include <algorithm>
#include <memory>

#include "tools/latchkey/commands/commands.h"
#include "tools/latchkey/durations.h"
#include "tools/latchkey/fingerprint.h"

namespace latchkey::cli {
namespace {

constexpr std::chrono::seconds kWaitMax(60);

struct Options {
  std::string key;
  std::string fingerprint;
  std::optional<std::chrono::nanoseconds> wait;
  std::optional<std::chrono::system_clock::time_point> first_sent_at;
};

int CodeOf(v1::CheckResultResponse::State state, bool waited) {
  switch (state) {
    case v1::CheckResultResponse::COMPLETED:
      return kDone;
    case v1::CheckResultResponse::IN_DOUBT:
      return kInDoubt;
    case v1::CheckResultResponse::HELD:
      return waited ? kWaitedInVain : kHeld;
    default:
      return kAbsent;
  }
}

Table Describe(const v1::CheckResultResponse& response) {
  Table table({{""}, {""}});
  table.Add({"state", StateCell(response.state())});
  if (!response.holder_id().empty()) table.Add({"holder", Printable(response.holder_id())});
  if (response.attempt_number() > 0) {
    table.Add({"attempt", std::to_string(response.attempt_number())});
  }
  if (response.has_retry_after()) {
    table.Add({"ask again in", FormatDuration(FromProto(response.retry_after()))});
  }
  if (response.has_result()) Describe(response.result(), table);
  return table;
}

int Check(const Options& options, Session& session) {
  Service service(session.connection);
  v1::CheckResultRequest request;
  request.set_namespace_(session.connection.key_namespace);
  request.set_key(options.key);
  request.set_fingerprint(FingerprintOf(options.fingerprint));
  if (options.first_sent_at) *request.mutable_first_sent_at() = ToProto(*options.first_sent_at);
  const auto until =
      std::chrono::steady_clock::now() + options.wait.value_or(std::chrono::nanoseconds(0));
  while (true) {
    const auto left = std::max<std::chrono::nanoseconds>(until - std::chrono::steady_clock::now(),
                                                         std::chrono::nanoseconds(0));
    const auto wait = std::min<std::chrono::nanoseconds>(left, kWaitMax);
    *request.mutable_wait_timeout() = ToProto(wait);
    auto answer = service.Call(service.coordination(), &v1::CoordinationService::Stub::CheckResult,
                               request, wait);
    if (!answer.ok()) return Fail(answer.error());
    if (answer->state() != v1::CheckResultResponse::COMPLETED && left > kWaitMax) continue;
    if (session.output.json()) {
      session.output.Json(*answer);
    } else {
      session.output.Lines(Describe(*answer));
    }
    return CodeOf(answer->state(), options.wait.has_value());
  }
}

}  // namespace

void AddCheck(Cli& cli) {
  const auto options = std::make_shared<Options>();
  CLI::App& sub = cli.Add("check", "Show where a key stands, and its result; changes nothing",
                          "  latchkey check order:123 --wait=1m && echo \"it is completed\"",
                          [options](Session& session) { return Check(*options, session); });
  AddKey(sub, options->key);
  AddDuration(sub, "--wait", options->wait, "how long to wait for the result [0]");
  sub.add_option("--fingerprint", options->fingerprint, "refuse a key of other work")
      ->type_name("TEXT");
  AddTime(sub, "--first-sent-at", options->first_sent_at, "when the work was first asked for");
}

}  // namespace latchkey::cli
