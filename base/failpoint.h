// Named places at which crash tests end the process.
#pragma once

namespace latchkey {

// Does nothing. The server that the crash tests run links a definition of its own, which kills the
// process at the place that the test has chosen; see docs/crash-tests.md. Any thread may call it.
void Failpoint(const char* name);

}  // namespace latchkey
