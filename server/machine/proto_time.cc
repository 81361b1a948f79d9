#include "server/machine/proto_time.h"

namespace latchkey {
namespace {

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
// Leaves room for the nanoseconds and for adding two such values.
constexpr std::int64_t kSecondsMax = INT64_MAX / kNanosPerSecond / 2;

}  // namespace

void SetProto(Duration duration, google::protobuf::Duration* out) {
  out->set_seconds(duration.count() / kNanosPerSecond);
  out->set_nanos(static_cast<std::int32_t>(duration.count() % kNanosPerSecond));
}

void SetProto(WallTime time, google::protobuf::Timestamp* out) {
  std::int64_t seconds = ToNanos(time) / kNanosPerSecond;
  std::int64_t nanos = ToNanos(time) % kNanosPerSecond;
  if (nanos < 0) {  // a Timestamp's nanos count forward, also before 1970
    seconds -= 1;
    nanos += kNanosPerSecond;
  }
  out->set_seconds(seconds);
  out->set_nanos(static_cast<std::int32_t>(nanos));
}

std::optional<Duration> FromProto(const google::protobuf::Duration& duration) {
  const std::int64_t seconds = duration.seconds();
  const std::int64_t nanos = duration.nanos();
  if (seconds > kSecondsMax || seconds < -kSecondsMax) return std::nullopt;
  if (nanos <= -kNanosPerSecond || nanos >= kNanosPerSecond) return std::nullopt;
  if ((seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0)) return std::nullopt;
  return Duration(seconds * kNanosPerSecond + nanos);
}

std::optional<WallTime> FromProto(const google::protobuf::Timestamp& time) {
  const std::int64_t seconds = time.seconds();
  const std::int64_t nanos = time.nanos();
  if (seconds > kSecondsMax || seconds < -kSecondsMax) return std::nullopt;
  if (nanos < 0 || nanos >= kNanosPerSecond) return std::nullopt;
  return WallTimeFromNanos(seconds * kNanosPerSecond + nanos);
}

}  // namespace latchkey
