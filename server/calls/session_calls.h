// The calls that a session's frames bring.
#pragma once

#include <cstdint>
#include <memory>

#include "server/calls/session.h"

namespace latchkey {

// A call of the frame, ready to be submitted. Null if the entry asks for nothing that is known, or
// for a Cancel. It keeps the frame in memory until it is answered, unless it may wait for long:
// then it has a copy of its request.
std::unique_ptr<Call> MakeSessionCall(const CallEnvironment& environment,
                                      const std::shared_ptr<Session>& session,
                                      const std::shared_ptr<SessionFrame>& frame,
                                      const v1::SessionRequest::Call& entry, MonotonicTime arrived);

// What is wrong with the entry's request, if anything is, or that the caller may not make it.
std::optional<Refusal> CheckSessionCall(const CallEnvironment& environment, Caller& caller,
                                        const v1::SessionRequest::Call& entry);

}  // namespace latchkey
