#include "tools/latchkey/commands/commands.h"
#include "tools/latchkey/durations.h"

namespace latchkey::cli {
namespace {

using Status = v1::GetServerStatusResponse;

std::string InUnits(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  std::size_t unit = 0;
  while (bytes >= 10'240 && unit + 1 < std::size(kUnits)) {
    bytes /= 1024;
    ++unit;
  }
  return std::to_string(bytes) + " " + kUnits[unit];
}

Cell RestoreDoubt(const Status& status) {
  if (!status.restore_in_doubt()) return "none";
  return {"open: restored " + FormatTime(status.restored_at()) + ", and nothing is known of " +
              FormatTime(status.unknown_since()) +
              " and later; once that is settled, end it with `latchkey clear-restore-doubt`",
          Tint::kRed};
}

Table Server(const Status& status) {
  Table table({{""}, {""}});
  const auto add = [&table](const char* name, Cell value) { table.Add({name, std::move(value)}); };
  add("version", Printable(status.version()));
  add("serving", status.serving() ? Cell("yes", Tint::kGreen) : Cell("no", Tint::kRed));
  add("uptime", FormatDuration(FromProto(status.uptime())));
  add("store", Printable(status.store()));
  add("highest token", std::to_string(status.fencing_token()));
  add("waiting calls", std::to_string(status.waiters()));
  if (status.storage_free_bytes() > 0) {
    add("free space", InUnits(status.storage_free_bytes()) + ", of which " +
                          InUnits(status.storage_reserve_bytes()) + " are kept in reserve");
  }
  if (status.storage_full()) {
    add("storage", {"nearly full: nothing new is begun", Tint::kRed});
  }
  if (status.clock_in_doubt()) {
    add("clock", {"the wall clock has stepped, and is not trusted yet", Tint::kRed});
  }
  add("restore doubt", RestoreDoubt(status));
  if (status.backup_running()) add("backup", "is being made");
  return table;
}

Table Namespaces(const Status& status) {
  Table table({{"NAMESPACE"},
               {"HELD", Align::kRight},
               {"IN DOUBT", Align::kRight},
               {"PAYLOADS KEPT", Align::kRight},
               {"KEYS KEPT", Align::kRight},
               {"LONGEST LEASE", Align::kRight},
               {"DEDUPLICATED", Align::kRight}});
  for (const auto& one : status.namespaces()) {
    const auto ttl = FromProto(one.downstream_key_ttl());
    table.Add({Printable(one.name()),
               std::to_string(one.held()),
               {std::to_string(one.in_doubt()), one.in_doubt() > 0 ? Tint::kRed : Tint::kNone},
               FormatDuration(FromProto(one.payload_retention())),
               FormatDuration(FromProto(one.key_retention())),
               FormatDuration(FromProto(one.lease_duration_max())),
               ttl.count() > 0 ? FormatDuration(ttl) : "no"});
  }
  return table;
}

// What is used of a quota, red when that is all of it.
Cell Use(const std::string& used, const std::string& most, bool all) {
  return {used + " of " + most, all ? Tint::kRed : Tint::kNone};
}

std::vector<Cell> QuotasOf(const Status::Namespace& one) {
  const auto number = [](std::uint64_t value) { return std::to_string(value); };
  const std::string none = "no quota";
  const std::uint64_t live = one.held() + one.in_doubt();
  Cell records = Use(number(live), number(one.live_records_max()), live >= one.live_records_max());
  Cell bytes = Use(InUnits(one.stored_bytes()), InUnits(one.stored_bytes_max()),
                   one.stored_bytes() >= one.stored_bytes_max());
  Cell waiters =
      Use(number(one.waiters()), number(one.waiters_max()), one.waiters() >= one.waiters_max());
  if (one.name() == "*") {  // stands for many, each of which has its own
    records = number(one.live_records_max()) + " each";
    bytes = InUnits(one.stored_bytes_max()) + " each";
    waiters = number(one.waiters_max()) + " each";
  }
  const std::uint64_t rate = one.new_keys_per_second_max();
  return {Printable(one.name()), std::move(records),
          one.stored_bytes_max() == 0 ? none : std::move(bytes),
          rate == 0 ? none : number(rate) + "/s",
          one.waiters_max() == 0 ? none : std::move(waiters)};
}

Table Quotas(const Status& status) {
  Table table({{"NAMESPACE"},
               {"LIVE RECORDS", Align::kRight},
               {"ON THE DISK", Align::kRight},
               {"NEW KEYS", Align::kRight},
               {"WAITING CALLS", Align::kRight}});
  for (const auto& one : status.namespaces()) table.Add(QuotasOf(one));
  return table;
}

}  // namespace

void AddStatus(Cli& cli) {
  cli.Add("status", "Show how the server does: store, doubt of a restore, namespaces, quotas",
          "  latchkey status --output=json | jq .limits", [](Session& session) -> int {
            Service service(session.connection);
            auto answer = service.Call(service.admin(), &v1::AdminService::Stub::GetServerStatus,
                                       v1::GetServerStatusRequest());
            if (!answer.ok()) return Fail(answer.error());
            if (session.output.json()) {
              session.output.Json(*answer);
            } else {
              session.output.Lines(Server(*answer));
              session.output.Text("\n");
              session.output.Lines(Namespaces(*answer));
              session.output.Text("\n");
              session.output.Lines(Quotas(*answer));
            }
            return kDone;
          });
}

}  // namespace latchkey::cli
