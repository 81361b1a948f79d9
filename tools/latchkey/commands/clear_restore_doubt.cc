#include <memory>

#include "tools/latchkey/commands/commands.h"

namespace latchkey::cli {

void AddClearRestoreDoubt(Cli& cli) {
  const auto audit = std::make_shared<AuditOptions>();
  const auto run = [audit](Session& session) -> int {
    Service service(session.connection);
    v1::ClearRestoreDoubtRequest request;
    request.set_actor(audit->actor);
    request.set_reason(audit->reason);
    auto answer =
        service.Call(service.admin(), &v1::AdminService::Stub::ClearRestoreDoubt, request);
    if (!answer.ok()) return Fail(answer.error());
    if (session.output.json()) {
      session.output.Json(*answer);
    } else {
      session.output.Text(answer->was_in_doubt() ? "the doubt of the restore is ended\n"
                                                 : "there was no doubt of a restore\n");
    }
    return kDone;
  };
  AddAudit(
      cli.Add("clear-restore-doubt",
              "End the doubt that follows a restore: keys without a record are new again",
              "  latchkey clear-restore-doubt --reason=\"all of Tuesday settled with the bank\"",
              run),
      *audit);
}

}  // namespace latchkey::cli
