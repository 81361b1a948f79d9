#include "tools/latchkey/durations.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>

#include "absl/time/time.h"
#include <google/protobuf/util/time_util.h>

namespace latchkey::cli {
namespace {

using google::protobuf::util::TimeUtil;

constexpr std::int64_t kDaysMax = 36'500;

std::optional<std::int64_t> ParseNumber(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

// The larger unit, and the smaller one where it is not 0.
std::string InUnits(std::int64_t count, std::int64_t in_large, const char* large,
                    const char* small) {
  std::string text = std::to_string(count / in_large) + large;
  if (count % in_large != 0) text += std::to_string(count % in_large) + small;
  return text;
}

}  // namespace

std::optional<std::chrono::nanoseconds> ParseDuration(const std::string& text) {
  if (text.ends_with('d')) {
    const auto days = ParseNumber(std::string_view(text).substr(0, text.size() - 1));
    if (!days || *days > kDaysMax) return std::nullopt;
    return std::chrono::hours(24 * *days);
  }
  absl::Duration parsed;
  if (!absl::ParseDuration(text, &parsed) || parsed < absl::ZeroDuration() ||
      parsed > absl::Hours(24 * kDaysMax)) {
    return std::nullopt;
  }
  return absl::ToChronoNanoseconds(parsed);
}

std::optional<std::chrono::system_clock::time_point> ParseTime(const std::string& text) {
  if (const auto seconds = ParseNumber(text); seconds && *seconds < (std::int64_t{1} << 33)) {
    return std::chrono::system_clock::time_point(std::chrono::seconds(*seconds));
  }
  absl::Time parsed;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, text, &parsed, &error)) return std::nullopt;
  return absl::ToChronoTime(parsed);
}

std::string FormatDuration(std::chrono::nanoseconds duration) {
  const std::int64_t milliseconds = std::max<std::int64_t>(duration.count(), 0) / 1'000'000;
  const std::int64_t seconds = milliseconds / 1000;
  if (milliseconds < 1000) return std::to_string(milliseconds) + "ms";
  if (seconds < 10) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "%.1fs", static_cast<double>(milliseconds / 100) / 10);
    return text.data();
  }
  if (seconds < 60) return std::to_string(seconds) + "s";
  if (seconds < 3600) return InUnits(seconds, 60, "m", "s");
  if (seconds < 24 * 3600) return InUnits(seconds / 60, 60, "h", "m");
  return InUnits(seconds / 3600, 24, "d", "h");
}

std::string FormatTime(const google::protobuf::Timestamp& time) {
  google::protobuf::Timestamp whole = time;
  whole.set_nanos(0);
  return TimeUtil::ToString(whole);
}

std::chrono::nanoseconds AgeOf(const google::protobuf::Timestamp& time) {
  const auto then = std::chrono::system_clock::time_point(
      std::chrono::nanoseconds(TimeUtil::TimestampToNanoseconds(time)));
  return std::max<std::chrono::nanoseconds>(std::chrono::system_clock::now() - then, {});
}

google::protobuf::Duration ToProto(std::chrono::nanoseconds duration) {
  return TimeUtil::NanosecondsToDuration(duration.count());
}

google::protobuf::Timestamp ToProto(std::chrono::system_clock::time_point time) {
  return TimeUtil::NanosecondsToTimestamp(
      std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count());
}

std::chrono::nanoseconds FromProto(const google::protobuf::Duration& duration) {
  return std::chrono::nanoseconds(TimeUtil::DurationToNanoseconds(duration));
}

}  // namespace latchkey::cli
