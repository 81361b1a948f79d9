#include "storage/rocksdb/restore.h"

#include <memory>
#include <utility>

#include "base/clock.h"
#include "latchkey/v1/admin.pb.h"
#include "tools/latchkey/commands/commands.h"
#include "tools/latchkey/durations.h"
#include "tools/latchkey/offline/store.h"

namespace latchkey::cli {
namespace {

struct Options {
  std::string backups;
  std::string to;
  std::uint64_t id = 0;
  std::uint64_t token_floor = 0;
  bool list = false;
};

std::string Time(std::int64_t seconds) {
  google::protobuf::Timestamp time;
  time.set_seconds(seconds);
  return FormatTime(time);
}

int List(const Options& options, Session& session) {
  const auto listed = storage::ListBackups(options.backups);
  if (!listed.ok()) return FailOffline(listed.status());
  Table table({{"BACKUP", Align::kRight}, {"TAKEN"}, {"BYTES", Align::kRight}});
  for (const storage::BackupListed& backup : *listed) {
    if (session.output.json()) {
      session.output.Text(R"({"id":")" + std::to_string(backup.id) + R"(","damaged":)" +
                          (backup.damaged ? "true" : "false") + R"(,"size_bytes":")" +
                          std::to_string(backup.size_bytes) + R"(","taken_at":")" +
                          Time(backup.taken_at_seconds) + "\"}\n");
    } else if (backup.damaged) {
      table.Add({std::to_string(backup.id), {"damaged", Tint::kRed}, ""});
    } else {
      table.Add({std::to_string(backup.id), Time(backup.taken_at_seconds),
                 std::to_string(backup.size_bytes)});
    }
  }
  if (!session.output.json()) session.output.Lines(table);
  return kDone;
}

int Restore(const Options& options, Session& session) {
  if (options.list) return List(options, session);
  if (options.to.empty()) {
    Note("--to is required: the new store's directory; see latchkey restore --help");
    return kUsage;
  }
  storage::RestoreOrder order{.backups = options.backups,
                              .to = DirectoryOf(options.to),
                              .id = {},
                              .now = SystemClock().Wall(),
                              .token_floor = options.token_floor};
  if (options.id != 0) order.id = options.id;
  const auto restored = storage::RestoreBackup(order);
  if (!restored.ok()) return FailOffline(restored.status());
  const std::string id = std::to_string(restored->id);
  const std::string taken = Time(restored->taken_at_seconds);
  if (session.output.json()) {
    session.output.Text(R"({"backup_id":")" + id + R"(","taken_at":")" + taken + R"(",)" +
                        TokensMovedJson(restored->token_before, restored->token_now) + "}\n");
    return kDone;
  }
  session.output.Text("backup " + id + " of " + taken + " is restored to " + order.to + "\n" +
                      TokensMovedText(restored->token_before, restored->token_now));
  return kDone;
}

}  // namespace

void AddRestore(Cli& cli) {
  const auto options = std::make_shared<Options>();
  CLI::App& sub =
      cli.Add("restore", "Restore a backup into a new store, with no server running on either",
              "  latchkey restore --backup=/var/backups/latchkey --list\n"
              "  latchkey restore --backup=/var/backups/latchkey --to=/var/lib/latchkey",
              [options](Session& session) { return Restore(*options, session); });
  sub.add_option("--backup", options->backups, "the directory where the backups are")
      ->type_name("DIRECTORY")
      ->required();
  sub.add_option("--to", options->to, "the new store's directory: absent or empty")
      ->type_name("DIRECTORY");
  sub.add_option("--id", options->id, "which backup [the newest]")->type_name("NUMBER");
  AddTokenFloorOption(sub, options->token_floor);
  sub.add_flag("--list", options->list, "show which backups there are, and do nothing");
}

}  // namespace latchkey::cli
