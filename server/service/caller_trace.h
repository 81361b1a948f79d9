// The trace context of a gRPC call or stream.
#pragma once

#include <optional>

#include "server/partition/trace_context.h"
#include <grpcpp/server_context.h>

namespace latchkey {

// Empty where the caller sent none, several, or what is none. Looks through all of the call's
// metadata, so it is for when something is to be logged.
inline std::optional<TraceContext> CallerTrace(const grpc::CallbackServerContext& context) {
  const auto [first, last] = context.client_metadata().equal_range("traceparent");
  if (first == last || std::next(first) != last) return std::nullopt;
  return ParseTraceparent({first->second.data(), first->second.size()});
}

}  // namespace latchkey
