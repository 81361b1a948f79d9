#include <memory>

#include "tools/latchkey/commands/commands.h"
#include "tools/latchkey/key_change.h"

namespace latchkey::cli {
namespace {

int Delete(const KeyChange& options, Session& session) {
  Service service(session.connection);
  const auto request = RequestFor<v1::DeleteRecordRequest>(service, session, options);
  if (!request.ok()) return Fail(request.error());
  auto answer = service.Call(service.admin(), &v1::AdminService::Stub::DeleteRecord, *request);
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
  const auto options = std::make_shared<KeyChange>();
  CLI::App& sub =
      cli.Add("delete", "Delete a completed record, so that its work may be done again",
              "  latchkey delete order:123 --token=41 --reason=\"a test, never charged\"",
              [options](Session& session) { return Delete(*options, session); });
  AddKeyChange(sub, *options);
}

}  // namespace latchkey::cli
