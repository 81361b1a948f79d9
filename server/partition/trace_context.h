// The W3C trace context that a caller sent with its call, so that the log says whose doing a line
// was: https://www.w3.org/TR/trace-context/
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace latchkey {

// Lower-case hexadecimal digits and nothing else, so they may be written anywhere.
struct TraceContext {
  std::string trace_id;  // 32 digits
  std::string span_id;   // 16 digits: the caller's span
};

// What the value of a `traceparent` says. Empty for anything that is not one, to the letter: a
// caller could write anything else into the log with it.
std::optional<TraceContext> ParseTraceparent(std::string_view text);

}  // namespace latchkey
