#include <map>
#include <memory>

#include "tools/latchkey/commands/commands.h"
#include "tools/latchkey/key_change.h"
#include <CLI/Validators.hpp>

namespace latchkey::cli {
namespace {

struct Options {
  KeyChange change;
  std::string outcome;
  std::string code;
  std::string reference;
  PayloadOptions payload;
};

const std::map<std::string, v1::ResolveOutcomeRequest::Outcome>& Outcomes() {
  static const std::map<std::string, v1::ResolveOutcomeRequest::Outcome> outcomes = {
      {"succeeded", v1::ResolveOutcomeRequest::SUCCEEDED},
      {"rejected", v1::ResolveOutcomeRequest::REJECTED},
      {"not-executed", v1::ResolveOutcomeRequest::NOT_EXECUTED}};
  return outcomes;
}

int Resolve(const Options& options, Session& session) {
  Service service(session.connection);
  const auto payload = ReadPayload(options.payload);
  if (!payload) return kFailed;
  const auto begun = RequestFor<v1::ResolveOutcomeRequest>(service, session, options.change);
  if (!begun.ok()) return Fail(begun.error());
  v1::ResolveOutcomeRequest request = *begun;
  request.set_outcome(Outcomes().at(options.outcome));
  request.set_code(options.code);
  request.set_provider_reference(options.reference);
  request.set_content_type(options.payload.content_type);
  request.set_payload(*payload);
  auto answer = service.Call(service.admin(), &v1::AdminService::Stub::ResolveOutcome, request);
  if (!answer.ok()) return Fail(answer.error());
  if (session.output.json()) {
    session.output.Json(*answer);
  } else {
    session.output.Lines(Describe(answer->record()));
  }
  return kDone;
}

}  // namespace

void AddResolve(Cli& cli) {
  const auto options = std::make_shared<Options>();
  CLI::App& sub =
      cli.Add("resolve", "Settle a key in doubt: say what really happened",
              "  latchkey resolve order:77 --token=42 --outcome=succeeded --reference=ch_9 \\\n"
              "      --reason=\"found in the provider's list, ticket 118\"",
              [options](Session& session) { return Resolve(*options, session); });
  AddKeyChange(sub, options->change);
  sub.add_option("--outcome", options->outcome,
                 "succeeded: it happened; rejected: it was refused for good; not-executed: nothing "
                 "happened, the key is free again")
      ->required()
      ->check(CLI::IsMember({"succeeded", "rejected", "not-executed"}))
      ->type_name("OUTCOME");
  sub.add_option("--code", options->code, "the result's code")->type_name("CODE");
  sub.add_option("--reference", options->reference, "what the provider calls the effect")
      ->type_name("REFERENCE");
  AddPayload(sub, options->payload);
}

}  // namespace latchkey::cli
