#include <memory>

#include "tools/latchkey/commands/commands.h"
#include "tools/latchkey/durations.h"
#include <CLI/Validators.hpp>

namespace latchkey::cli {
namespace {

struct Options {
  std::string key;
  std::uint64_t token = 0;
  std::string outcome;
  std::string code;
  std::string reference;
  PayloadOptions payload;
  std::optional<std::chrono::nanoseconds> retention;
};

int Record(const Options& options, Session& session) {
  Service service(session.connection);
  const auto payload = ReadPayload(options.payload);
  if (!payload) return kFailed;
  v1::RecordResultRequest request;
  request.set_namespace_(session.connection.key_namespace);
  request.set_key(options.key);
  request.set_fencing_token(options.token);
  request.set_outcome(options.outcome == "succeeded" ? v1::Result::SUCCEEDED
                                                     : v1::Result::REJECTED);
  request.set_code(options.code);
  request.set_provider_reference(options.reference);
  request.set_content_type(options.payload.content_type);
  request.set_payload(*payload);
  if (options.retention) *request.mutable_retention() = ToProto(*options.retention);
  auto answer =
      service.Call(service.coordination(), &v1::CoordinationService::Stub::RecordResult, request);
  if (!answer.ok()) return Fail(answer.error());
  if (session.output.json()) {
    session.output.Json(*answer);
    return kDone;
  }
  Table table({{""}, {""}});
  table.Add({"state", StateCell(v1::CheckResultResponse::COMPLETED)});
  if (answer->already_recorded()) table.Add({"already", "recorded before by this token"});
  Describe(answer->result(), table);
  session.output.Lines(table);
  return kDone;
}

}  // namespace

void AddRecord(Cli& cli) {
  const auto options = std::make_shared<Options>();
  CLI::App& sub = cli.Add("record", "Store the result of a held key, and give the lock back",
                          "  latchkey record order:123 --token=42 --outcome=succeeded "
                          "--reference=ch_42",
                          [options](Session& session) { return Record(*options, session); });
  AddKey(sub, options->key);
  AddToken(sub, options->token);
  sub.add_option("--outcome", options->outcome, "succeeded, or rejected: refused for good")
      ->required()
      ->check(CLI::IsMember({"succeeded", "rejected"}))
      ->type_name("OUTCOME");
  sub.add_option("--code", options->code, "your short code")->type_name("CODE");
  sub.add_option("--reference", options->reference, "what the provider calls the effect")
      ->type_name("REFERENCE");
  AddPayload(sub, options->payload);
  AddDuration(sub, "--retention", options->retention,
              "how long to keep the body [the namespace's setting]");
}

}  // namespace latchkey::cli
