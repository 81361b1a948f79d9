#include "run_once.h"

#include <cxxabi.h>

#include <utility>

namespace latchkey::inline client::internal {
namespace {

using Status = RunResult::Status;

// The key is completed: its record is the answer.
void Settle(RunResult& run, StoredResult stored) {
  run.status =
      stored.outcome == StoredResult::Outcome::kSucceeded ? Status::kSucceeded : Status::kRejected;
  run.result = std::move(stored);
}

// Null where the grant allows neither. Asked just before the work begins, because the provider's
// window may have run out since the grant.
const Work* Choose(const Attempt& attempt, const Work& create, const Work& recover) {
  if (attempt.mode() == Mode::kExecute) return &create;
  if (recover) return &recover;
  return attempt.recover_action() == RecoverAction::kResendSameKey ? &create : nullptr;
}

Outcome Call(const Work& work, Attempt& attempt, std::exception_ptr& thrown) {
  try {
    return work(attempt);
  } catch (abi::__forced_unwind&) {
    throw;  // The thread is being cancelled, and that cannot be stopped. The guard is dropped.
  } catch (...) {
    thrown = std::current_exception();
    return Unknown("the work threw an exception");
  }
}

void Record(Lease& lease, RunResult& run) {
  RecordAnswer answer = lease.Record(*run.own);
  run.error = std::move(answer.error);
  run.superseded = answer.status == RecordAnswer::Status::kSuperseded;
  if (answer.stored) {
    Settle(run, std::move(*answer.stored));
  } else {
    run.status = Status::kUnrecorded;
  }
}

void GiveBack(Lease& lease, RunResult& run) {
  const bool ends_doubt = lease.mode() == Mode::kRecover && run.own->after_asking();
  Answer<KeyStatus> answer =
      lease.Release(ends_doubt ? Effect::kRunNotExecuted : Effect::kNotExecuted);
  if (!answer.ok()) {
    run.status = Status::kUnrecorded;
    run.error = answer.error();
    return;
  }
  KeyStatus& key = answer.value();
  run.superseded = key.state == KeyStatus::State::kHeld || key.result.has_value();
  run.status = key.state == KeyStatus::State::kAbsent ? Status::kNotExecuted : Status::kInDoubt;
  if (key.result) Settle(run, std::move(*key.result));
}

// The lease ran out before the work could begin, because the answer was that long on its way.
// Saying so keeps a key that nobody touched out of doubt.
void GiveBackUnused(Lease& lease, RunResult& run) {
  run.status = run.recovered ? Status::kInDoubt : Status::kUnavailable;
  run.error = Error{.kind = Error::Kind::kUnavailable,
                    .reason = lease.state_reason(),
                    .message = "the lease ran out before the work could begin"};
  const Answer<KeyStatus> released = lease.Release(Effect::kNotExecuted);
  if (!released.ok()) run.error->message += "; giving it back: " + released.error().message;
}

}  // namespace

RunResult RunHeld(Lease& lease, const Work& create, const Work& recover) {
  RunResult run;
  run.recovered = lease.mode() == Mode::kRecover;
  if (lease.state() == LeaseState::kLost) {
    GiveBackUnused(lease, run);
    return run;
  }
  const Work* const work = Choose(lease, create, recover);
  if (work == nullptr) {
    run.status = Status::kInDoubt;  // Said by dropping the lease, as below.
    return run;
  }
  run.own = Call(*work, lease, run.exception);
  switch (run.own->kind()) {
    case Outcome::Kind::kSucceeded:
    case Outcome::Kind::kRejected:
      Record(lease, run);
      break;
    case Outcome::Kind::kNotExecuted:
      GiveBack(lease, run);
      break;
    case Outcome::Kind::kUnknown:
      run.status = Status::kInDoubt;  // The caller drops the lease, and that says UNKNOWN.
      break;
  }
  return run;
}

RunResult RunNothing(AcquireAnswer acquired) {
  RunResult run;
  if (auto* completed = std::get_if<Completed>(&acquired)) {
    Settle(run, std::move(completed->result));
    run.replayed = true;
  } else if (auto* contention = std::get_if<Contention>(&acquired)) {
    run.status = Status::kContention;
    run.contention = std::move(*contention);
  } else {
    run.error = std::get<Error>(std::move(acquired));
    run.status = run.error->kind == Error::Kind::kRefused ? Status::kRefused : Status::kUnavailable;
  }
  return run;
}

}  // namespace latchkey::inline client::internal
