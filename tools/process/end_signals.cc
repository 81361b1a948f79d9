#include "tools/process/end_signals.h"

namespace latchkey {

EndSignals::EndSignals() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGTERM);
  sigaddset(&signals_, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
}

void EndSignals::Await() const {
  int signal = 0;
  sigwait(&signals_, &signal);
}

}  // namespace latchkey
