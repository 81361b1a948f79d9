#include "tools/latchkey/commands/commands.h"

namespace latchkey::cli {

void AddIssueKey(Cli& cli) {
  cli.Add("issue-key", "Mint a key for work that has none of its own",
          "  key=$(latchkey issue-key)   # keep it before you use it", [](Session& session) -> int {
            Service service(session.connection);
            v1::IssueKeyRequest request;
            request.set_namespace_(session.connection.key_namespace);
            auto answer = service.Call(service.coordination(),
                                       &v1::CoordinationService::Stub::IssueKey, request);
            if (!answer.ok()) return Fail(answer.error());
            if (session.output.json()) {
              session.output.Json(*answer);
            } else {
              session.output.Text(answer->key() + "\n");
            }
            return kDone;
          });
}

}  // namespace latchkey::cli
