#include "server/partition/trace_context.h"

#include <algorithm>

namespace latchkey {
namespace {

// "00-" trace_id "-" span_id "-" flags
constexpr std::size_t kTraceAt = 3;
constexpr std::size_t kTraceDigits = 32;
constexpr std::size_t kSpanAt = kTraceAt + kTraceDigits + 1;
constexpr std::size_t kSpanDigits = 16;
constexpr std::size_t kFlagsAt = kSpanAt + kSpanDigits + 1;
constexpr std::size_t kSize = kFlagsAt + 2;

bool IsHex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool IsZero(std::string_view text) { return text.find_first_not_of('0') == std::string_view::npos; }

}  // namespace

std::optional<TraceContext> ParseTraceparent(std::string_view text) {
  if (text.size() < kSize) return std::nullopt;
  const std::string_view version = text.substr(0, 2);
  const std::string_view trace_id = text.substr(kTraceAt, kTraceDigits);
  const std::string_view span_id = text.substr(kSpanAt, kSpanDigits);
  if (!IsHex(version) || !IsHex(trace_id) || !IsHex(span_id) || !IsHex(text.substr(kFlagsAt, 2))) {
    return std::nullopt;
  }
  if (text[2] != '-' || text[kSpanAt - 1] != '-' || text[kFlagsAt - 1] != '-') return std::nullopt;
  if (version == "ff" || IsZero(trace_id) || IsZero(span_id)) return std::nullopt;
  // Later versions may say more, behind another dash.
  if (text.size() > kSize && (version == "00" || text[kSize] != '-')) return std::nullopt;
  return TraceContext{std::string(trace_id), std::string(span_id)};
}

}  // namespace latchkey
