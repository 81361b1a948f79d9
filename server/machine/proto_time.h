// Between protobuf's Duration and Timestamp and ours.
#pragma once

#include <optional>

#include "base/time.h"
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

namespace latchkey {

void SetProto(Duration duration, google::protobuf::Duration* out);
void SetProto(WallTime time, google::protobuf::Timestamp* out);

// Empty for what is no valid protobuf duration or does not fit (about 146 years).
[[nodiscard]] std::optional<Duration> FromProto(const google::protobuf::Duration& duration);
// Empty for what is no valid protobuf time (years 1 to 9999) or does not fit.
[[nodiscard]] std::optional<WallTime> FromProto(const google::protobuf::Timestamp& time);

}  // namespace latchkey
