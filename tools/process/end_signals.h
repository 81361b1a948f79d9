// How the programs beside the server are asked to end.
#pragma once

#include <signal.h>

namespace latchkey {

// SIGTERM and SIGINT, which no thread gets that is started while this lives: they are waited for.
class EndSignals {
 public:
  EndSignals();
  // Returns when one of them has come.
  void Await() const;

 private:
  sigset_t signals_;
};

}  // namespace latchkey
