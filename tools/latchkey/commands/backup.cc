#include <memory>

#include "tools/latchkey/commands/commands.h"
#include "tools/latchkey/durations.h"

namespace latchkey::cli {
namespace {

// A large store takes long, and asking again would only be told that one is being made.
constexpr std::chrono::hours kLongest(24);

struct Options {
  AuditOptions audit;
  std::uint32_t keep_newest = 0;
};

int BackUp(const Options& options, Session& session) {
  Service service(session.connection);
  v1::CreateBackupRequest request;
  request.set_actor(options.audit.actor);
  request.set_reason(options.audit.reason);
  request.set_keep_newest(options.keep_newest);
  auto answer = service.Call(service.admin(), &v1::AdminService::Stub::CreateBackup, request,
                             kLongest, Repeat::kNo);
  if (!answer.ok()) return Fail(answer.error());
  if (session.output.json()) {
    session.output.Json(*answer);
  } else {
    session.output.Text(
        "backup " + answer->backup_id() + ": " + std::to_string(answer->size_bytes()) +
        " bytes in " + std::to_string(answer->files()) + " files, of which " +
        std::to_string(answer->copied_bytes()) + " bytes were copied; about " +
        std::to_string(answer->records_estimate()) +
        " records; verified; backups kept: " + std::to_string(answer->backups()) + "\n");
  }
  return kDone;
}

}  // namespace

void AddBackup(Cli& cli) {
  const auto options = std::make_shared<Options>();
  CLI::App& sub =
      cli.Add("backup", "Back the server's store up, into the directory of its own settings",
              "  latchkey backup --reason=nightly --keep-newest=48",
              [options](Session& session) { return BackUp(*options, session); });
  AddAudit(sub, options->audit);
  sub.add_option("--keep-newest", options->keep_newest,
                 "delete all but the newest so many backups when this one is made [keep all]")
      ->type_name("NUMBER");
}

}  // namespace latchkey::cli
