// The flow of RunOnce after the lock was asked for.
#pragma once

#include "latchkey/client.h"

namespace latchkey::inline client::internal {

// Runs the work that the grant allows, and records or gives back.
RunResult RunHeld(Lease& lease, const Work& create, const Work& recover);

// There is no lease to run it under: tells why.
RunResult RunNothing(AcquireAnswer acquired);

}  // namespace latchkey::inline client::internal
