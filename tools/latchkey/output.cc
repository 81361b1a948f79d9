#include "tools/latchkey/output.h"

#include <cstdio>

#include "tools/latchkey/durations.h"
#include "tools/latchkey/recorded_run.h"
#include <google/protobuf/util/json_util.h>

namespace latchkey::cli {
namespace {

// Longer payloads are counted, not shown.
constexpr std::size_t kPayloadShown = 1024;

bool NoPermission(const std::string& reason) {
  return reason == "CREDENTIALS_REQUIRED" || reason == "PERMISSION_DENIED" ||
         reason == "TOKEN_IN_PLAINTEXT";
}

// The request itself was wrong, whatever the state of the key.
bool WrongRequest(const std::string& reason) {
  for (const char* ending : {"_REQUIRED", "_MALFORMED", "_TOO_LONG", "_OUT_OF_RANGE"}) {
    if (reason.ends_with(ending)) return true;
  }
  return false;
}

ExitCode CodeOf(const Error& error) {
  if (NoPermission(error.reason)) return kNoPermission;
  if (error.reason == "KEY_UNKNOWN") return kAbsent;
  if (WrongRequest(error.reason)) return kUsage;
  return error.kind == Error::Kind::kRefused ? kRefused : kUnavailable;
}

std::string Bytes(std::size_t count) { return std::to_string(count) + " bytes"; }

std::string Shown(const std::string& payload) {
  if (payload.size() > kPayloadShown) return Bytes(payload.size()) + ", see --output=json";
  return Printable(payload);
}

void AddIf(bool wanted, Table& table, const char* name, Cell value) {
  if (wanted) table.Add({name, std::move(value)});
}

Cell OutcomeCell(v1::Result::Outcome outcome) {
  return {v1::Result::Outcome_Name(outcome),
          outcome == v1::Result::SUCCEEDED ? Tint::kGreen : Tint::kYellow};
}

std::string Summary(v1::Result::Outcome outcome, const std::string& code,
                    const std::string& reference) {
  std::string text = v1::Result::Outcome_Name(outcome);
  if (!code.empty()) text += " " + code;
  if (!reference.empty()) text += " " + reference;
  return Printable(text);
}

void DescribePayload(const v1::Result& result, Table& table) {
  const auto run = DecodeRun(result.content_type(), result.payload());
  AddIf(!run && !result.payload().empty(), table, "payload", Shown(result.payload()));
  if (!run) return;
  AddIf(!run->output.kept.empty(), table, "stdout", Shown(run->output.kept));
  AddIf(!run->errors.kept.empty(), table, "stderr", Shown(run->errors.kept));
}

void DescribeReports(const v1::Record& record, Table& table) {
  AddIf(record.duplicate_effect_suspected(), table, "suspicion",
        {"reports contradict each other: the effect may have happened twice", Tint::kRed});
  for (const auto& late : record.late_outcomes()) {
    AddIf(true, table, "late outcome",
          FormatTime(late.received_at()) + "  token " + std::to_string(late.fencing_token()) +
              "  " + Summary(late.outcome(), late.code(), late.provider_reference()));
  }
  for (const auto& entry : record.audit()) {
    AddIf(true, table, "audit",
          Printable(FormatTime(entry.at()) + "  " + entry.action() + "  " + entry.actor() + "  \"" +
                    entry.reason() + "\"  " + entry.detail()));
  }
}

}  // namespace

void Output::Json(const google::protobuf::Message& message) const {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) {
    Note("the answer cannot be shown as JSON");
  }
  Text(text + "\n");
}

void Output::Text(const std::string& text) const {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void Note(const std::string& line) {
  std::fprintf(stderr, "latchkey: %s\n", Printable(line).c_str());
}

ExitCode Fail(const Error& error) {
  Note(error.message + (error.reason.empty() ? "" : " (" + error.reason + ")"));
  return CodeOf(error);
}

Cell StateCell(v1::CheckResultResponse::State state) {
  using State = v1::CheckResultResponse;
  const std::string name = State::State_Name(state);
  switch (state) {
    case State::HELD:
      return {name, Tint::kYellow};
    case State::IN_DOUBT:
      return {name, Tint::kRed};
    case State::COMPLETED:
      return {name, Tint::kGreen};
    default:
      return {name, Tint::kFaint};
  }
}

std::string Summary(const v1::Result& result) {
  return Summary(result.outcome(), result.code(), result.provider_reference());
}

void Describe(const v1::Result& result, Table& table) {
  AddIf(true, table, "outcome", OutcomeCell(result.outcome()));
  AddIf(!result.code().empty(), table, "code", Printable(result.code()));
  AddIf(!result.provider_reference().empty(), table, "reference",
        Printable(result.provider_reference()));
  AddIf(result.has_recorded_at(), table, "recorded at", FormatTime(result.recorded_at()));
  AddIf(result.late(), table, "late", "recorded after its lease had run out");
  AddIf(result.truncated(), table, "cut", "code, reference or content type was too long");
  AddIf(!result.content_type().empty(), table, "content type", Printable(result.content_type()));
  DescribePayload(result, table);
  AddIf(result.body_omitted(), table, "payload", "was too large to keep");
  AddIf(result.body_expired(), table, "payload", "its retention has passed");
}

Table Describe(const v1::Record& record) {
  using State = v1::CheckResultResponse;
  Table table({{""}, {""}});
  const bool exists = record.state() != State::ABSENT;
  AddIf(true, table, "key", Printable(record.key()));
  AddIf(true, table, "namespace", Printable(record.namespace_()));
  AddIf(true, table, "state", StateCell(record.state()));
  AddIf(record.has_state_since(), table, "since",
        FormatTime(record.state_since()) + ", " + FormatDuration(AgeOf(record.state_since())) +
            " ago");
  AddIf(exists, table, "fencing token", std::to_string(record.fencing_token()));
  AddIf(!record.holder_id().empty(), table, "holder", Printable(record.holder_id()));
  AddIf(record.state() == State::HELD, table, "lease left",
        FormatDuration(FromProto(record.lease_remaining())));
  AddIf(record.waiters() > 0, table, "waiters", std::to_string(record.waiters()));
  AddIf(exists, table, "attempt",
        std::to_string(record.attempt_number()) + ", mode " + v1::Grant::Mode_Name(record.mode()));
  AddIf(record.effect_started(), table, "effect", "may have begun");
  AddIf(!record.checkpoint().empty(), table, "checkpoint", Shown(record.checkpoint()));
  AddIf(!record.downstream_idempotency_key().empty(), table, "downstream key",
        record.downstream_idempotency_key());
  if (record.has_result()) Describe(record.result(), table);
  DescribeReports(record, table);
  return table;
}

}  // namespace latchkey::cli
