// The flow of RunOnce after the lock was asked for. Whether the work blocks a thread or calls back,
// everything before and after it is this.
#pragma once

#include <exception>
#include <memory>

#include "held_lease.h"
#include "latchkey/client.h"

namespace latchkey::inline client::internal {

// There is no lease to run anything under: tells why.
RunResult RunNothing(AcquireAnswer acquired);

// One run under a lease that its maker keeps.
class Run {
 public:
  // Chooses what to do. Make it just before that: the provider's window and the lease run out.
  Run(const Lease& lease, bool can_recover);

  // Null where nothing is to be run.
  template <typename AnyWork>
  const AnyWork* Choose(const AnyWork& create, const AnyWork& recover) const {
    if (choice_ == Choice::kCreate) return &create;
    return choice_ == Choice::kRecover ? &recover : nullptr;
  }
  // What the work that was chosen came to.
  void Set(Outcome outcome, std::exception_ptr thrown);
  // Records or gives back, and says what came of it. Called once.
  void Conclude(Callback<RunResult> callback);
  // In the child of a process that forked in its work: says that nothing can be concluded here.
  RunResult Abandon(Error error);

 private:
  enum class Choice {
    kCreate,
    kRecover,
    // The grant allows neither.
    kNothing,
    // The lease ran out before the work could begin, because the answer was that long on its way.
    kTooLate,
  };

  void Record(Callback<RunResult> callback);
  void GiveBack(Callback<RunResult> callback);
  void GiveBackUnused(Callback<RunResult> callback);
  void LeaveInDoubt(Callback<RunResult> callback);

  std::shared_ptr<HeldLease> held_;
  Choice choice_;
  RunResult result_;
};

// Calls the work, and makes Unknown of what it throws.
std::pair<Outcome, std::exception_ptr> Call(const Work& work, Attempt& attempt);
// Begins the work. `done` is called once, whatever the work does.
void Call(const AsyncWork& work, std::shared_ptr<Attempt> attempt,
          std::function<void(Outcome, std::exception_ptr)> done);

}  // namespace latchkey::inline client::internal
