// Durations as people write and read them.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

namespace latchkey::cli {

// "500ms", "30s", "1h30m", "72h", "90d", "0"; nothing negative, nothing above a hundred years.
std::optional<std::chrono::nanoseconds> ParseDuration(const std::string& text);
// "2026-01-31T12:00:00Z", or seconds since 1970, such as `date +%s` prints.
std::optional<std::chrono::system_clock::time_point> ParseTime(const std::string& text);

// In two units at most: "850ms", "4.2s", "12m5s", "3h20m", "2d4h".
std::string FormatDuration(std::chrono::nanoseconds duration);
// "2026-01-31T12:00:00Z".
std::string FormatTime(const google::protobuf::Timestamp& time);
// How long ago by this machine's clock; never negative.
std::chrono::nanoseconds AgeOf(const google::protobuf::Timestamp& time);

google::protobuf::Duration ToProto(std::chrono::nanoseconds duration);
google::protobuf::Timestamp ToProto(std::chrono::system_clock::time_point time);
std::chrono::nanoseconds FromProto(const google::protobuf::Duration& duration);

}  // namespace latchkey::cli
