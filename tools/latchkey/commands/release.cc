#include <memory>

#include "tools/latchkey/commands/commands.h"
#include <CLI/Validators.hpp>

namespace latchkey::cli {
namespace {

struct Options {
  std::string key;
  std::uint64_t token = 0;
  std::string attempt_id;
  std::string effect;
};

v1::ReleaseRequest::Effect EffectOf(const std::string& name) {
  if (name == "not-executed") return v1::ReleaseRequest::NOT_EXECUTED;
  if (name == "unknown") return v1::ReleaseRequest::UNKNOWN;
  if (name == "run-not-executed") return v1::ReleaseRequest::RUN_NOT_EXECUTED;
  return v1::ReleaseRequest::EFFECT_UNSPECIFIED;
}

int Release(const Options& options, Session& session) {
  Service service(session.connection);
  v1::ReleaseRequest request;
  request.set_namespace_(session.connection.key_namespace);
  request.set_key(options.key);
  request.set_fencing_token(options.token);
  request.set_attempt_id(options.attempt_id);
  request.set_effect(EffectOf(options.effect));
  auto answer =
      service.Call(service.coordination(), &v1::CoordinationService::Stub::Release, request);
  if (!answer.ok()) return Fail(answer.error());
  if (session.output.json()) {
    session.output.Json(*answer);
    return kDone;
  }
  Table table({{""}, {""}});
  table.Add({"state", StateCell(answer->state())});
  session.output.Lines(table);
  return kDone;
}

}  // namespace

void AddRelease(Cli& cli) {
  const auto options = std::make_shared<Options>();
  CLI::App& sub = cli.Add("release", "Give a lock back without a result",
                          "  latchkey release order:123 --token=42 --effect=not-executed",
                          [options](Session& session) { return Release(*options, session); });
  AddKey(sub, options->key);
  auto* token = sub.add_option("--token", options->token, "the grant's fencing token")
                    ->check(CLI::Range(std::uint64_t{1}, UINT64_MAX))
                    ->type_name("NUMBER");
  auto* attempt =
      sub.add_option("--attempt-id", options->attempt_id,
                     "instead of a token: end the attempt of a caller that never got one")
          ->type_name("ID")
          ->excludes(token);
  token->excludes(attempt);
  sub.add_option("--effect", options->effect,
                 "not-executed: this holder did nothing; unknown: it may have; run-not-executed: "
                 "the provider was asked about every attempt, and none acted "
                 "[not-executed before the effect is marked, else unknown]")
      ->check(CLI::IsMember({"not-executed", "unknown", "run-not-executed"}))
      ->type_name("EFFECT");
}

}  // namespace latchkey::cli
