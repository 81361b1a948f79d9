// How much of the machine's processors the programs under test have had.
#pragma once

#include <chrono>

namespace latchkey::bench {

// CPU time, of user and kernel, of all programs that this process has started and that still run,
// with what they have started themselves.
std::chrono::duration<double> CpuTimeOfStarted();

// Of all processors together, while `wall` goes by: 0 to 1.
double ShareOfProcessors(std::chrono::duration<double> cpu, std::chrono::duration<double> wall);

}  // namespace latchkey::bench
