#include <memory>

#include "tools/latchkey/commands/commands.h"
#include "tools/latchkey/durations.h"

namespace latchkey::cli {
namespace {

struct Options {
  std::string key;
  std::string token;
  AuditOptions audit;
};

int ForceRelease(const Options& options, Session& session) {
  Service service(session.connection);
  const auto token =
      ExpectedToken(service, session.connection.key_namespace, options.key, options.token);
  if (!token.ok()) return Fail(token.error());
  v1::ForceReleaseRequest request;
  request.set_namespace_(session.connection.key_namespace);
  request.set_key(options.key);
  request.set_expected_fencing_token(*token);
  request.set_actor(options.audit.actor);
  request.set_reason(options.audit.reason);
  auto answer = service.Call(service.admin(), &v1::AdminService::Stub::ForceRelease, request);
  if (!answer.ok()) return Fail(answer.error());
  if (session.output.json()) {
    session.output.Json(*answer);
    return kDone;
  }
  Table table({{""}, {""}});
  table.Add({"state", StateCell(answer->state())});
  table.Add({"unsafe for", FormatDuration(FromProto(answer->unsafe_for())) +
                               ": so long the old holder may believe that it holds"});
  session.output.Lines(table);
  return kDone;
}

}  // namespace

void AddForceRelease(Cli& cli) {
  const auto options = std::make_shared<Options>();
  CLI::App& sub =
      cli.Add("force-release", "End a lease now, as if it had run out: doubt applies",
              "  latchkey force-release order:77 --token=42 --reason=\"worker-3 is gone for good\"",
              [options](Session& session) { return ForceRelease(*options, session); });
  AddKey(sub, options->key);
  AddExpectedToken(sub, options->token);
  AddAudit(sub, options->audit);
}

}  // namespace latchkey::cli
