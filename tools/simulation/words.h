// Calls and answers in a few words, for the trace; and what is read of them often.
#pragma once

#include <string>

#include "base/time.h"
#include "tools/simulation/boundary.h"

namespace latchkey::simulation {

std::string InWords(const Request& request);
std::string InWords(const Response& response);

// Zero where there is none.
std::uint64_t TokenOf(const Request& request);
Duration WaitOf(const v1::AcquireLockRequest& request);
Duration SpanOf(const google::protobuf::Duration& duration);

}  // namespace latchkey::simulation
