#include "run_once.h"

#include <cxxabi.h>

#include <utility>

#include "once.h"

namespace latchkey::inline client::internal {
namespace {

using Status = RunResult::Status;

// The key is completed: its record is the answer.
void Settle(RunResult& run, StoredResult stored) {
  run.status =
      stored.outcome == StoredResult::Outcome::kSucceeded ? Status::kSucceeded : Status::kRejected;
  run.result = std::move(stored);
}

// The work threw `thrown` when it was called.
Outcome Threw() { return Unknown("the work threw an exception"); }

}  // namespace

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

Run::Run(const Lease& lease, bool can_recover) : held_(lease.held_), choice_(Choice::kNothing) {
  result_.recovered = lease.mode() == Mode::kRecover;
  if (lease.state() == LeaseState::kLost) {
    choice_ = Choice::kTooLate;
  } else if (lease.mode() == Mode::kExecute) {
    choice_ = Choice::kCreate;
  } else if (can_recover) {
    choice_ = Choice::kRecover;
  } else if (lease.recover_action() == RecoverAction::kResendSameKey) {
    choice_ = Choice::kCreate;
  }
}

void Run::Set(Outcome outcome, std::exception_ptr thrown) {
  result_.own = std::move(outcome);
  result_.exception = std::move(thrown);
}

void Run::Conclude(Callback<RunResult> callback) {
  if (choice_ == Choice::kTooLate) return GiveBackUnused(std::move(callback));
  if (!result_.own) return LeaveInDoubt(std::move(callback));
  switch (result_.own->kind()) {
    case Outcome::Kind::kSucceeded:
    case Outcome::Kind::kRejected:
      return Record(std::move(callback));
    case Outcome::Kind::kNotExecuted:
      return GiveBack(std::move(callback));
    case Outcome::Kind::kUnknown:
      return LeaveInDoubt(std::move(callback));
  }
}

RunResult Run::Abandon(Error error) {
  result_.status = Status::kUnrecorded;
  result_.error = std::move(error);
  return std::move(result_);
}

void Run::Record(Callback<RunResult> callback) {
  held_->Record(*result_.own, [run = result_, callback](RecordAnswer answer) mutable {
    run.error = std::move(answer.error);
    run.superseded = answer.status == RecordAnswer::Status::kSuperseded;
    run.delivering = answer.delivering;
    if (answer.stored) {
      Settle(run, std::move(*answer.stored));
    } else {
      run.status = Status::kUnrecorded;
    }
    callback(std::move(run));
  });
}

void Run::GiveBack(Callback<RunResult> callback) {
  const bool ends_doubt = result_.recovered && result_.own->after_asking();
  held_->Release(ends_doubt ? Effect::kRunNotExecuted : Effect::kNotExecuted,
                 [run = result_, callback](Answer<KeyStatus> answer) mutable {
                   if (!answer.ok()) {
                     run.status = Status::kUnrecorded;
                     run.error = answer.error();
                     return callback(std::move(run));
                   }
                   KeyStatus& key = answer.value();
                   run.superseded = key.state == KeyStatus::State::kHeld || key.result.has_value();
                   run.status = key.state == KeyStatus::State::kAbsent ? Status::kNotExecuted
                                                                       : Status::kInDoubt;
                   if (key.result) Settle(run, std::move(*key.result));
                   callback(std::move(run));
                 });
}

// Saying so keeps a key that nobody touched out of doubt.
void Run::GiveBackUnused(Callback<RunResult> callback) {
  result_.status = result_.recovered ? Status::kInDoubt : Status::kUnavailable;
  result_.error = Error{.kind = Error::Kind::kUnavailable,
                        .reason = held_->StateReason(),
                        .message = "the lease ran out before the work could begin"};
  held_->Release(Effect::kNotExecuted,
                 [run = result_, callback](const Answer<KeyStatus>& released) mutable {
                   if (!released.ok()) {
                     run.error->message += "; giving it back: " + released.error().message;
                   }
                   callback(std::move(run));
                 });
}

void Run::LeaveInDoubt(Callback<RunResult> callback) {
  result_.status = Status::kInDoubt;
  held_->Drop([run = result_, callback](const Answer<KeyStatus::State>&) mutable {
    callback(std::move(run));
  });
}

std::pair<Outcome, std::exception_ptr> Call(const Work& work, Attempt& attempt) {
  try {
    return {work(attempt), nullptr};
  } catch (abi::__forced_unwind&) {
    throw;  // The thread is being cancelled, and that cannot be stopped. The guard is dropped.
  } catch (...) {
    return {Threw(), std::current_exception()};
  }
}

void Call(const AsyncWork& work, std::shared_ptr<Attempt> attempt,
          std::function<void(Outcome, std::exception_ptr)> done) {
  using End = std::pair<Outcome, std::exception_ptr>;
  const Once<End> once(
      [done = std::move(done)](End end) { done(std::move(end.first), std::move(end.second)); },
      [] { return End(Unknown("the work let go of its callback"), nullptr); });
  try {
    work(std::move(attempt), [once](Outcome outcome) { once({std::move(outcome), nullptr}); });
  } catch (...) {
    once({Threw(), std::current_exception()});
  }
}

}  // namespace latchkey::inline client::internal
