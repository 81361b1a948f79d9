#include <algorithm>
#include <memory>

#include "tools/latchkey/commands/commands.h"
#include "tools/latchkey/durations.h"
#include <CLI/Validators.hpp>

namespace latchkey::cli {
namespace {

using State = v1::CheckResultResponse;

struct Options {
  std::string prefix;
  std::string state;
  std::string holder;
  std::optional<std::chrono::nanoseconds> older_than;
  std::uint32_t page_size = 0;
  std::string page_token;
  std::uint64_t limit = 100;
  bool all = false;
};

State::State StateOf(const std::string& name) {
  if (name == "held") return State::HELD;
  if (name == "in-doubt") return State::IN_DOUBT;
  if (name == "completed") return State::COMPLETED;
  return State::STATE_UNSPECIFIED;
}

v1::ListRecordsRequest RequestOf(const Options& options, const Session& session) {
  v1::ListRecordsRequest request;
  request.set_namespace_(session.connection.key_namespace);
  request.set_key_prefix(options.prefix);
  request.set_state(StateOf(options.state));
  request.set_holder_id(options.holder);
  if (options.older_than) *request.mutable_older_than() = ToProto(*options.older_than);
  request.set_page_size(options.page_size);
  request.set_page_token(options.page_token);
  return request;
}

std::vector<Cell> RowOf(const v1::Record& record) {
  Cell detail("");
  if (record.state() == State::HELD) {
    detail.text = "lease left " + FormatDuration(FromProto(record.lease_remaining()));
    if (record.waiters() > 0) detail.text += ", waiters " + std::to_string(record.waiters());
  } else if (record.has_result()) {
    detail.text = Summary(record.result());
  }
  if (record.duplicate_effect_suspected()) {
    detail =
        Cell(detail.text + (detail.text.empty() ? "" : ", ") + "duplicate suspected", Tint::kRed);
  }
  return {Printable(record.key()),
          StateCell(record.state()),
          FormatDuration(AgeOf(record.state_since())),
          std::to_string(record.attempt_number()),
          std::to_string(record.fencing_token()),
          Printable(record.holder_id()),
          std::move(detail)};
}

// Says what to write to see the rest.
void NoteMore(const std::string& next_page_token) {
  Note("there are more: --all shows them, --page-token=" + next_page_token + " goes on here");
}

int List(const Options& options, Session& session) {
  Service service(session.connection);
  auto request = RequestOf(options, session);
  Table table({{"KEY"},
               {"STATE"},
               {"AGE", Align::kRight},
               {"ATTEMPT", Align::kRight},
               {"TOKEN", Align::kRight},
               {"HOLDER"},
               {"DETAIL"}});
  std::uint64_t left = options.all ? UINT64_MAX : options.limit;
  while (true) {
    if (left < 1000) {
      const auto most = static_cast<std::uint32_t>(left);
      request.set_page_size(options.page_size == 0 ? most : std::min(options.page_size, most));
    }
    auto answer = service.Call(service.admin(), &v1::AdminService::Stub::ListRecords, request);
    if (!answer.ok()) return Fail(answer.error());
    for (const auto& record : answer->records()) {
      if (session.output.json()) {
        session.output.Json(record);
      } else {
        table.Add(RowOf(record));
      }
    }
    left -= std::min<std::uint64_t>(left, static_cast<std::uint64_t>(answer->records_size()));
    const bool last = answer->next_page_token().empty();
    if (last || left == 0) {
      if (!session.output.json() && !table.empty()) session.output.Lines(table);
      if (!session.output.json() && table.empty()) Note("there are no such records");
      if (!last) NoteMore(answer->next_page_token());
      return kDone;
    }
    request.set_page_token(answer->next_page_token());
  }
}

}  // namespace

void AddList(Cli& cli) {
  const auto options = std::make_shared<Options>();
  CLI::App& sub = cli.Add("list", "List records, in order of key",
                          "  latchkey list --state=in-doubt --older-than=10m\n"
                          "  latchkey list --prefix=order: --all --output=json | jq -r .key",
                          [options](Session& session) { return List(*options, session); });
  sub.add_option("--prefix", options->prefix, "only keys that begin so")->type_name("PREFIX");
  sub.add_option("--state", options->state, "only those held, in-doubt or completed")
      ->check(CLI::IsMember({"held", "in-doubt", "completed"}))
      ->type_name("STATE");
  sub.add_option("--holder", options->holder, "only those held, or held last, by this caller")
      ->type_name("NAME");
  AddDuration(sub, "--older-than", options->older_than, "only those so long in their state");
  auto* limit = sub.add_option("--limit", options->limit, "at most so many [100]")
                    ->check(CLI::Range(std::uint64_t{1}, UINT64_MAX))
                    ->type_name("NUMBER");
  sub.add_flag("--all", options->all, "without a limit")->excludes(limit);
  sub.add_option("--page-size", options->page_size, "how many to ask for at once [100]")
      ->check(CLI::Range(1U, 1000U))
      ->type_name("NUMBER");
  sub.add_option("--page-token", options->page_token, "where an earlier list ended")
      ->type_name("TOKEN");
}

}  // namespace latchkey::cli
