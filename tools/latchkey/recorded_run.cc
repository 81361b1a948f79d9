#include "tools/latchkey/recorded_run.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "tools/latchkey/command_result.pb.h"

namespace latchkey::cli {
namespace {

// More than the fields around the two streams take.
constexpr std::size_t kAround = 64;
constexpr std::string_view kExit = "exit ";

std::optional<int> ExitCodeIn(const std::string& code) {
  int number = 0;
  if (!code.starts_with(kExit)) return std::nullopt;
  const char* const end = code.data() + code.size();
  const auto [stop, error] = std::from_chars(code.data() + kExit.size(), end, number);
  if (error != std::errc() || stop != end || number < 0 || number > 255) return std::nullopt;
  return number;
}

std::string CutNote(const char* name, const Captured& stream) {
  if (stream.written <= stream.kept.size()) return "";
  return std::string(name) + " was cut: the first " + std::to_string(stream.kept.size()) + " of " +
         std::to_string(stream.written) + " bytes were kept";
}

std::string Join(std::string first, const std::string& second) {
  if (!first.empty() && !second.empty()) first += "; ";
  return first + second;
}

}  // namespace

std::string Encode(const RecordedRun& run, std::size_t limit) {
  const std::size_t room = limit > kAround ? limit - kAround : 0;
  const std::size_t half = room / 2;
  const std::size_t errors = std::min(
      run.errors.kept.size(), std::max(half, room - std::min(room, run.output.kept.size())));
  const std::size_t output = std::min(run.output.kept.size(), room - errors);
  once::v1::CommandResult result;
  result.set_exit_code(static_cast<std::uint32_t>(run.exit_code));
  result.set_output(run.output.kept.substr(0, output));
  result.set_errors(run.errors.kept.substr(0, errors));
  result.set_output_bytes(run.output.written);
  result.set_errors_bytes(run.errors.written);
  return result.SerializeAsString();
}

std::optional<RecordedRun> DecodeRun(const std::string& content_type, const std::string& payload) {
  once::v1::CommandResult stored;
  if (content_type != kCommandResultType || !stored.ParseFromString(payload)) return std::nullopt;
  return RecordedRun{.exit_code = static_cast<int>(stored.exit_code() & 0xFFU),
                     .output = {.kept = stored.output(), .written = stored.output_bytes()},
                     .errors = {.kept = stored.errors(), .written = stored.errors_bytes()}};
}

Outcome OutcomeOf(const RecordedRun& run, std::size_t limit,
                  std::optional<std::chrono::nanoseconds> retention) {
  ResultFields fields{.code = std::string(kExit) + std::to_string(run.exit_code),
                      .content_type = kCommandResultType,
                      .payload = Encode(run, limit),
                      .retention = retention};
  return run.exit_code == 0 ? Succeeded(std::move(fields)) : Rejected(std::move(fields));
}

Recalled Recall(const StoredResult& result) {
  Recalled recalled;
  const int by_outcome = result.outcome == StoredResult::Outcome::kSucceeded ? 0 : 1;
  recalled.run.exit_code = ExitCodeIn(result.code).value_or(by_outcome);
  if (result.body_expired || result.body_omitted) {
    recalled.note = result.body_expired ? "its output is not kept any more"
                                        : "its output was too large for the service to keep";
    return recalled;
  }
  auto run = DecodeRun(result.content_type, result.payload);
  if (!run) {
    recalled.run.output = {.kept = result.payload, .written = result.payload.size()};
    recalled.note = "the result was not recorded by `latchkey once`, but says " +
                    std::string(by_outcome == 0 ? "SUCCEEDED" : "REJECTED") +
                    (result.code.empty() ? "" : " " + result.code);
    return recalled;
  }
  recalled.run = *std::move(run);
  recalled.note =
      Join(CutNote("stdout", recalled.run.output), CutNote("stderr", recalled.run.errors));
  return recalled;
}

}  // namespace latchkey::cli
