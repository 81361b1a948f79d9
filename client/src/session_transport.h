// Calls over one bidirectional stream: whatever is pending when a frame can be written goes into
// it, answers come in any order, and one heartbeat renews all the leases that are due.
//
// What does not fit into a frame, or has no place in a session, goes by unary calls beside it; so
// does everything once the service has said that it knows no sessions. When the stream breaks, its
// calls end UNAVAILABLE, and whoever repeats one opens the next stream.
#pragma once

#include <memory>

#include "runtime.h"
#include "session_stream.h"
#include "transport.h"

namespace latchkey::inline client::internal {

// `unary` goes the same way as the streams.
std::shared_ptr<Transport> MakeSessionTransport(const std::shared_ptr<Runtime>& runtime,
                                                OpenSessionStream open,
                                                std::shared_ptr<Transport> unary);

}  // namespace latchkey::inline client::internal
