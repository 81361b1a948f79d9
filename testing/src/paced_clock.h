// The clock of a server under test.
#pragma once

#include "base/clock.h"
#include "base/mutex.h"

namespace latchkey::testing_internal {

// Follows the machine's clock, but never by more than kPaceMax from one look to the next: a process
// that was stopped, or a busy machine, is no time that passed. So what a test advances is what
// passes, and the server's rule for stalls never gives a lease more. Both clocks go together.
// Thread-safe.
class PacedClock final : public Clock {
 public:
  PacedClock();

  MonotonicTime Monotonic() override;
  WallTime Wall() override;
  void Advance(Duration by);

 private:
  void Follow() REQUIRES(mutex_);

  SystemClock system_;
  Mutex mutex_;
  // What the machine's said at the last look.
  MonotonicTime seen_ GUARDED_BY(mutex_);
  MonotonicTime monotonic_ GUARDED_BY(mutex_);
  WallTime wall_ GUARDED_BY(mutex_);
};

}  // namespace latchkey::testing_internal
