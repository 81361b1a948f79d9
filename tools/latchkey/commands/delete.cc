#include <memory>

#include "tools/latchkey/commands/commands.h"

namespace latchkey::cli {
namespace {

struct Options {
  std::string key;
  std::string token;
  AuditOptions audit;
};

int Delete(const Options& options, Session& session) {
  Service service(session.connection);
  const auto token =
      ExpectedToken(service, session.connection.key_namespace, options.key, options.token);
  if (!token.ok()) return Fail(token.error());
  v1::DeleteRecordRequest request;
  request.set_namespace_(session.connection.key_namespace);
  request.set_key(options.key);
  request.set_expected_fencing_token(*token);
  request.set_actor(options.audit.actor);
  request.set_reason(options.audit.reason);
  auto answer = service.Call(service.admin(), &v1::AdminService::Stub::DeleteRecord, request);
  if (!answer.ok()) return Fail(answer.error());
  if (session.output.json()) {
    session.output.Json(*answer);
  } else {
    session.output.Text("there is no record of " + Printable(options.key) + " any more\n");
  }
  return kDone;
}

}  // namespace

void AddDelete(Cli& cli) {
  const auto options = std::make_shared<Options>();
  CLI::App& sub =
      cli.Add("delete", "Delete a completed record, so that its work may be done again",
              "  latchkey delete order:123 --token=41 --reason=\"a test, never charged\"",
              [options](Session& session) { return Delete(*options, session); });
  AddKey(sub, options->key);
  AddExpectedToken(sub, options->token);
  AddAudit(sub, options->audit);
}

}  // namespace latchkey::cli
