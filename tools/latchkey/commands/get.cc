#include <memory>

#include "tools/latchkey/commands/commands.h"

namespace latchkey::cli {

void AddGet(Cli& cli) {
  const auto key = std::make_shared<std::string>();
  const auto run = [key](Session& session) -> int {
    Service service(session.connection);
    v1::GetRecordRequest request;
    request.set_namespace_(session.connection.key_namespace);
    request.set_key(*key);
    auto answer = service.Call(service.admin(), &v1::AdminService::Stub::GetRecord, request);
    if (!answer.ok()) return Fail(answer.error());
    if (session.output.json()) {
      session.output.Json(*answer);
    } else {
      session.output.Lines(Describe(answer->record()));
    }
    return answer->record().state() == v1::CheckResultResponse::ABSENT ? kAbsent : kDone;
  };
  AddKey(cli.Add("get", "Show all that is known of a key, its audit included",
                 "  latchkey get order:123", run),
         *key);
}

}  // namespace latchkey::cli
