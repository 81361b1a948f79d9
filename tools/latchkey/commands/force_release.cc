#include <memory>

#include "tools/latchkey/commands/commands.h"
#include "tools/latchkey/durations.h"
#include "tools/latchkey/key_change.h"

namespace latchkey::cli {
namespace {

int ForceRelease(const KeyChange& options, Session& session) {
  Service service(session.connection);
  const auto request = RequestFor<v1::ForceReleaseRequest>(service, session, options);
  if (!request.ok()) return Fail(request.error());
  auto answer = service.Call(service.admin(), &v1::AdminService::Stub::ForceRelease, *request);
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
  const auto options = std::make_shared<KeyChange>();
  CLI::App& sub =
      cli.Add("force-release", "End a lease now, as if it had run out: doubt applies",
              "  latchkey force-release order:77 --token=42 --reason=\"worker-3 is gone for good\"",
              [options](Session& session) { return ForceRelease(*options, session); });
  AddKeyChange(sub, *options);
}

}  // namespace latchkey::cli
