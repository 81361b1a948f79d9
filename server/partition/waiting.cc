// How calls wait for a key and are served when it is free or completed. Part of partition.h.

#include "base/mutant.h"
#include "latchkey/v1/coordination.pb.h"
#include "server/machine/refusals.h"
#include "server/partition/checked_decide.h"
#include "server/partition/entry.h"
#include "server/partition/partition.h"
#include "server/partition/quotas.h"
#include "server/partition/refusals.h"

namespace latchkey {
namespace {

using State = v1::CheckResultResponse;

const std::string& FingerprintOf(const Call& call) {
  if (const auto* acquire = std::get_if<AcquireLockExchange>(&call.operation)) {
    return acquire->request->fingerprint();
  }
  return std::get<CheckResultExchange>(call.operation).request->fingerprint();
}

}  // namespace

void Partition::Enqueue(Entry& entry, Call& call) {
  const Waiter waiter{&call, WaitDeadlineOf(call)};
  if (waiter.deadline <= now_.monotonic) {
    AnswerLater(call);
    return;
  }
  if (ending_) {
    AnswerLater(call, ShuttingDown());
    return;
  }
  if (entry.waiters == nullptr) entry.waiters = std::make_unique<WaitQueue>();
  WaitQueue& queue = *entry.waiters;

  const auto* acquire = std::get_if<AcquireLockExchange>(&call.operation);
  if (acquire != nullptr) {
    const Waiter* old =
        queue.FindAttempt(acquire->request->attempt_id(), acquire->request->holder_id());
    if (old != nullptr) {
      Call* superseded = old->call;
      wait_timers_.Remove(old->deadline, TimerOf(entry, *superseded));
      queue.TakeOver(superseded, waiter);
      wait_timers_.Add(waiter.deadline, TimerOf(entry, call));
      environment_.meter->OnWaitEnded(now_.monotonic - superseded->arrived);
      AnswerLater(*superseded, SupersededByRetry());
      return;
    }
  }
  const Limits& limits = *environment_.limits;
  if (queue.size() >= limits.waiters_per_key) {
    AnswerLater(call, WaitersLimit(limits.waiters_per_key, true));
    return;
  }
  if (environment_.waiters->fetch_add(1) >= limits.waiters_total) {
    environment_.waiters->fetch_sub(1);
    AnswerLater(call, WaitersLimit(limits.waiters_total, false));
    return;
  }
  const std::uint64_t waiters_max = entry.settings->waiters_max;
  if (environment_.quotas != nullptr &&
      !environment_.quotas->AddWaiter(entry.name_space(), waiters_max)) {
    environment_.waiters->fetch_sub(1);
    AnswerLater(call, WaitersQuota(waiters_max));
    return;
  }
  if (acquire != nullptr) {
    queue.AddAcquire(waiter);
  } else {
    queue.AddCheck(waiter);
  }
  wait_timers_.Add(waiter.deadline, TimerOf(entry, call));
}

void Partition::RemoveWaiter(Entry& entry, const Waiter& waiter) {
  wait_timers_.Remove(waiter.deadline, TimerOf(entry, *waiter.call));
  environment_.meter->OnWaitEnded(now_.monotonic - waiter.call->arrived);
  entry.waiters->Remove(waiter.call);
  environment_.waiters->fetch_sub(1);
  if (environment_.quotas != nullptr) environment_.quotas->RemoveWaiters(entry.name_space());
}

void Partition::EndWait(Entry& entry, const Call* call, std::optional<Refusal> refusal) {
  const Waiter waiter = *entry.waiters->Find(call);
  RemoveWaiter(entry, waiter);
  AnswerLater(*waiter.call, std::move(refusal));
}

// Its time is up: it is told how the key stands now.
void Partition::AnswerTimedOut(Entry& entry, Call& call) {
  const std::size_t position = entry.waiters->PositionOf(&call);
  RemoveWaiter(entry, *entry.waiters->Find(&call));
  if (call.gone()) {
    AnswerLater(call, Cancelled());
    return;
  }
  Step step;
  if (const auto* acquire = std::get_if<AcquireLockExchange>(&call.operation)) {
    acquire->response->Clear();
    step =
        CheckedDecide(entry.state, *acquire->request, ContextFor(entry, call), acquire->response);
    auto* contention = acquire->response->mutable_contention();
    contention->set_queue_position(static_cast<std::uint32_t>(position));
  } else {
    const auto& check = std::get<CheckResultExchange>(call.operation);
    check.response->Clear();
    step = CheckedDecide(entry.state, *check.request, ContextFor(entry, call), check.response);
  }
  AnswerLater(call, std::move(step.refusal));
}

void Partition::EndWaitOfAttempt(Entry& entry, const std::string& attempt_id) {
  if (entry.waiting() == 0) return;
  while (const Call* call = entry.waiters->FindAttempt(attempt_id)) {
    EndWait(entry, call, EndedByRelease());
  }
}

// A retry that accepts a key in doubt is granted it, while the call that it repeats does not and
// waits.
void Partition::EndRepeatedWait(Entry& entry, const v1::AcquireLockRequest& granted) {
  if (entry.waiting() == 0) return;
  const Waiter* first = entry.waiters->FindAttempt(granted.attempt_id(), granted.holder_id());
  if (first != nullptr) EndWait(entry, first->call, SupersededByRetry());
}

void Partition::Run(const CancelWait& cancel) {
  if (Mutated(Mutant::kGrantToCancelled)) return;
  Entry* entry = Find(cancel.store_key);
  if (entry == nullptr || entry->waiting() == 0) return;
  const Waiter* waiter = entry->waiters->Find(cancel.call);
  if (waiter == nullptr || waiter->call->serial != cancel.serial) return;
  EndWait(*entry, cancel.call, Cancelled());
  Visit(*entry);
}

void Partition::Run(const EndWaits&) {
  ending_ = true;
  for (Entry* entry : EntriesWithWaiters()) {
    Visit(*entry);
    WaitQueue& queue = *entry->waiters;
    while (!queue.acquires().empty())
      EndWait(*entry, queue.acquires().front().call, ShuttingDown());
    while (!queue.checks().empty()) EndWait(*entry, queue.checks().front().call, ShuttingDown());
  }
}

void Partition::Run(const ServeAbsentKeys&) {
  for (Entry* entry : EntriesWithWaiters()) {
    if (entry->state_now() != State::ABSENT || entry->corrupt) continue;
    Visit(*entry);
    ServeQueue(*entry);
  }
}

void Partition::ServeQueue(Entry& entry) {
  if (entry.state_now() == State::COMPLETED) return AnswerCompletedToAll(entry);
  // It was written free, so that the waiters of other servers have the same chance.
  if (!exclusive_) return LookLater(entry);
  if (IsFree(entry.state) && !Mutated(Mutant::kLostWakeUp)) GrantToFirstWaiter(entry);
}

// In the same batch as the step that freed the key, so that nobody overtakes and a free key has an
// empty queue. Waiters that are gone or refusable are answered and skipped; those whose time was up
// left when the batch began; one that does not accept a key in doubt goes on waiting.
void Partition::GrantToFirstWaiter(Entry& entry) {
  auto& acquires = entry.waiters->acquires();
  for (auto place = acquires.begin(); place != acquires.end();) {
    const Waiter waiter = *place++;
    Call& call = *waiter.call;
    if (call.gone() && !Mutated(Mutant::kGrantToCancelled)) {
      EndWait(entry, &call, Cancelled());
      continue;
    }
    auto& exchange = std::get<AcquireLockExchange>(call.operation);
    exchange.response->Clear();
    const State::State before = entry.state_now();
    Step step =
        CheckedDecide(entry.state, *exchange.request, ContextFor(entry, call), exchange.response);
    if (step.wait && !step.refusal.has_value()) continue;
    const bool granted = step.granted;
    RemoveWaiter(entry, waiter);
    ApplyToCall(entry, call, std::move(step), before);
    if (granted) return;
  }
}

// The result is put into one response that all waiters share.
void Partition::AnswerCompletedToAll(Entry& entry) {
  RefuseOtherFingerprints(entry);
  WaitQueue& queue = *entry.waiters;
  const Context context = ContextFor(entry);
  const auto answer_all = [&](std::list<Waiter>& waiters, const auto& request,
                              const auto& response) {
    if (waiters.empty()) return;
    const Step step = CheckedDecide(entry.state, request, context, response.get());
    while (!waiters.empty()) {
      const Waiter waiter = waiters.front();
      RemoveWaiter(entry, waiter);
      AnswerLater(*waiter.call, step.refusal).shared = response;
    }
  };
  answer_all(queue.acquires(), v1::AcquireLockRequest(),
             std::make_shared<v1::AcquireLockResponse>());
  answer_all(queue.checks(), v1::CheckResultRequest(), std::make_shared<v1::CheckResultResponse>());
}

void Partition::RefuseOtherFingerprints(Entry& entry) {
  const std::string& fingerprint = entry.state.record->fingerprint();
  if (fingerprint.empty() || !entry.waiters->HasOtherFingerprint(fingerprint)) return;
  for (auto* waiters : {&entry.waiters->acquires(), &entry.waiters->checks()}) {
    for (auto place = waiters->begin(); place != waiters->end();) {
      Call& call = *place++->call;
      const std::string& other = FingerprintOf(call);
      if (!other.empty() && other != fingerprint) {
        EndWait(entry, &call, FingerprintMismatch());
      }
    }
  }
}

}  // namespace latchkey
