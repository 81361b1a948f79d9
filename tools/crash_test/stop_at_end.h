// How a client of the crash and fault tests ends.
#pragma once

#include <atomic>
#include <thread>
#include <vector>

#include "tools/process/end_signals.h"

namespace latchkey::crash {

// Waits until the process is asked to end, sets `stop`, and lets the threads finish what they have
// begun. If they take too long the process ends; the history shows what was not answered.
void StopAtEnd(const EndSignals& end, std::atomic<bool>& stop, std::vector<std::thread>& threads);

}  // namespace latchkey::crash
