// How a partition works over a store that other servers write to. Part of partition.h; the reasons
// are in docs/adr/0020.
//
// What is in memory is only what was last heard. So nothing happens when it is decided: a round
// decides, asks the store in one commit whether every key that was looked at is still what it was
// taken for, and lets happen what was decided on keys of which that is so. Of any other key the
// commit brings what it is now, and the next round decides again.

#include <algorithm>
#include <utility>

#include "latchkey/v1/admin.pb.h"
#include "latchkey/v1/coordination.pb.h"
#include "server/partition/checked_decide.h"
#include "server/partition/entry.h"
#include "server/partition/fail_stop.h"
#include "server/partition/partition.h"
#include "server/partition/refusals.h"
#include "server/partition/reply_gathering.h"
#include "server/retention/retention.h"

namespace latchkey {
namespace {

using Outcome = storage::WriteResult::Outcome;
using State = v1::CheckResultResponse;

// After a lapse whose outcome is not known.
constexpr Duration kLapseAgainAfter = std::chrono::seconds(1);

// 0: it carries none.
std::uint64_t TokenOf(const Call& call) {
  if (const auto* renew = std::get_if<RenewLeaseExchange>(&call.operation)) {
    return renew->request->fencing_token();
  }
  if (const auto* record = std::get_if<RecordResultExchange>(&call.operation)) {
    return record->request->fencing_token();
  }
  if (const auto* release = std::get_if<ReleaseExchange>(&call.operation)) {
    return release->request->fencing_token();
  }
  return 0;
}

bool MayWait(const Call& call) {
  return std::holds_alternative<AcquireLockExchange>(call.operation) ||
         std::holds_alternative<CheckResultExchange>(call.operation);
}

}  // namespace

void Partition::ProcessShared(std::span<Work> backlog, std::span<Work> work, bool lapses,
                              MonotonicTime until, ReplyGathering& replies) {
  if (environment_.fail_stop->tripped()) {
    for (Work& item : backlog) RefuseFailedStore(item);
    for (Work& item : work) RefuseFailedStore(item);
    FailEverything();
    return;
  }
  highest_token_ = environment_.store->HighestToken();
  token_asked_ = false;
  // First, as nothing has been decided yet that they would overtake.
  for (Work& item : work) {
    if (auto* told = std::get_if<storage::LiveChanges>(&item)) Hear(*told);
  }
  FireWaitTimers();
  for (Work& item : backlog) DecideShared(item);
  for (Work& item : work) DecideShared(item);
  if (lapses) FireLeaseTimers(until);
  replies.Flush();
  CommitShared();
  std::vector<Work> later = std::exchange(backlog_, {});
  backlog_ = std::exchange(looks_, {});
  for (auto* works : {&retries_, &later}) {
    std::ranges::move(*works, std::back_inserter(backlog_));
    works->clear();
  }
  SendAnswers();
  DropIdleEntries();
}

// --- What is heard ------------------------------------------------------------------------------

void Partition::Hear(storage::LiveChanges& told) {
  if (told.begins) {
    listing_ = true;
    for (auto& [store_key, entry] : entries_) entry->told = false;
  }
  for (storage::LiveChange& change : told.changes) {
    Entry* entry = Find(change.store_key);
    const auto& record = change.loaded.record;
    if (entry == nullptr) {
      if (!record.has_value() || record->state() != State::HELD) continue;
      entry = &FindOrAdd(change.store_key).first;
    }
    Visit(*entry);
    entry->told = true;
    if (change.loaded.revision <= entry->revision) continue;
    if (!record.has_value() && !change.loaded.corrupt) change.loaded.revision = 0;
    Accept(*entry, std::move(change.loaded), now_.monotonic);  // it was told before that
  }
  if (told.complete && std::exchange(listing_, false)) HearAll();
}

// What was held and is not named any more has ended while nothing was told, or was granted since.
void Partition::HearAll() {
  for (auto& [store_key, entry] : entries_) {
    if (entry->told || (!entry->held() && entry->waiting() == 0)) continue;
    Visit(*entry);
    LookLater(*entry);
  }
}

void Partition::Accept(Entry& entry, storage::Loaded loaded, MonotonicTime heard) {
  const KeyState before = std::exchange(entry.state, {});
  entry.state.record = std::move(loaded.record);
  entry.revision = loaded.revision;
  entry.corrupt = loaded.corrupt;
  entry.confirmed_at.reset();
  AcceptLease(entry, before, heard);
  SetLeaseTimer(entry);
  ServeAfterNews(entry);
}

// A lease that somebody else has granted or renewed is over when token and count of renewals have
// been seen unchanged for the longest that was promised, from when they were heard of. Nothing else
// that is written to the record makes it longer.
void Partition::AcceptLease(Entry& entry, const KeyState& before, MonotonicTime heard) {
  const bool was_held = before.record.has_value() && before.record->state() == State::HELD;
  const std::uint64_t old_token = was_held ? before.record->fencing_token() : 0;
  KeyState& key = entry.state;
  const std::uint64_t token = entry.held() ? key.record->fencing_token() : 0;
  if (was_held && token != old_token) NoteLoss(entry, old_token);
  if (!entry.held()) return;
  if (token == old_token && key.record->renewals() == before.record->renewals()) {
    key.lease_deadline = before.lease_deadline;
    key.stall_extension = before.stall_extension;
    key.lease_elsewhere = before.lease_elsewhere;
    return;
  }
  const Duration promised(key.record->promised_lease_nanos());
  key.lease_elsewhere = true;
  key.lease_deadline = heard + promised;
  if (token <= restore_.fencing_token) {  // over since the restore, see BeginServing
    key.lease_deadline = heard;
    key.stall_extension = promised;
  }
  if (token == old_token) return;
  entry.held_since = heard;
  entry.grant_replies = 1;  // as far as anybody knows
}

void Partition::ServeAfterNews(Entry& entry) {
  if (entry.waiting() == 0) return;
  if (entry.held()) return RefuseOtherFingerprints(entry);
  LookLater(entry);
}

void Partition::LookLater(Entry& entry) {
  if (!entry.kept) looks_.emplace_back(LookAgain{entry.store_key});
  entry.kept = true;
  entry.deferred = true;  // whoever waits comes before calls of this round
}

// --- What is decided ----------------------------------------------------------------------------

void Partition::Defer(Entry& entry, Work work) {
  entry.deferred = true;
  backlog_.push_back(std::move(work));
}

void Partition::DecideShared(Work& work) {
  if (auto* call = std::get_if<Call*>(&work)) {
    Entry& entry = FindOrAdd((*call)->store_key).first;
    Visit(entry);
    DecideShared(**call, entry);
  } else if (auto* unsent = std::get_if<UnsentGrant>(&work)) {
    Entry& entry = FindOrAdd(unsent->store_key).first;
    Visit(entry);
    DecideShared(*unsent, entry);
  } else if (auto* cancel = std::get_if<CancelWait>(&work)) {
    Entry* entry = Find(cancel->store_key);
    if (entry == nullptr) return;
    Visit(*entry);
    // Its wait may be over in a moment, and the call is still needed until then.
    if (entry->asked) return Defer(*entry, *cancel);
    Run(*cancel);
  } else if (auto* look = std::get_if<LookAgain>(&work)) {
    Entry* entry = Find(look->store_key);
    if (entry == nullptr) return;
    Visit(*entry);
    LookNow(*entry);
  } else if (auto* end = std::get_if<EndWaits>(&work)) {
    if (decisions_.empty()) return Run(*end);
    backlog_.emplace_back(*end);
  } else if (auto* serve = std::get_if<ServeAbsentKeys>(&work)) {
    Run(*serve);
  }
}

// Whoever has waited in vain is told how the key stands when the time is up, not when it came.
bool Partition::Confirmed(const Entry& entry, const Call& call) const {
  const MonotonicTime deadline = WaitDeadlineOf(call);
  const MonotonicTime since = deadline <= now_.monotonic ? deadline : call.arrived;
  return entry.confirmed_at.has_value() && since < *entry.confirmed_at;
}

// Whether a token was ever given can only be said by whoever knows the newest; an outcome that
// comes with one is not taken for invented before the store was asked since the call came.
bool Partition::KnowsToken(const Call& call, Entry& entry) {
  if (TokenOf(call) <= highest_token_ || token_asked_) return true;
  const MonotonicTime asked = environment_.clock->Monotonic();
  const std::vector<std::string> key = {entry.store_key};
  auto loaded = environment_.store->Load(key);
  if (!loaded.ok()) return false;
  token_asked_ = true;
  highest_token_ = environment_.store->HighestToken();
  if (entry.asked) return true;  // it has been decided on, and the commit will say
  // What is promised next must not count from before this was heard.
  now_ = environment_.retention->At(environment_.clock->Monotonic());
  Accept(entry, std::move(loaded->front()), now_.monotonic);
  entry.confirmed_at = asked;
  return true;
}

void Partition::DecideShared(Call& call, Entry& entry) {
  if (entry.busy || entry.deferred) return Defer(entry, &call);
  if (MayWait(call) && call.gone()) {
    AnswerLater(call, Cancelled());
    return;
  }
  if (!KnowsToken(call, entry)) {
    AnswerLater(call, StoreDidNotAnswer());
    return;
  }
  LapseIfDue(entry, call.arrived);
  if (entry.busy || entry.deferred) return Defer(entry, &call);
  const bool reads = MayWait(call) || std::holds_alternative<GetRecordExchange>(call.operation);
  if (reads && entry.state_now() == State::COMPLETED &&
      !call.MakeRoom(entry.state.record->result().payload().size())) {
    return;
  }
  if (const auto* release = std::get_if<ReleaseExchange>(&call.operation);
      release != nullptr && release->request->fencing_token() == 0) {
    EndWaitOfAttempt(entry, release->request->attempt_id());
  }
  Decision decision{.entry = &entry, .call = &call, .before = entry.state_now()};
  auto saved = std::make_unique<KeyState>(entry.state);
  // It may have been decided before, and waited, or been told by the store that it was not so.
  std::visit([](auto& exchange) { exchange.response->Clear(); }, call.operation);
  if (entry.corrupt) {
    decision.step.refusal = RecordCorrupt();
  } else {
    decision.step = DecideCall(entry, call);
  }
  if (!decision.step.durable && Confirmed(entry, call)) {
    return ApplyToCall(entry, call, std::move(decision.step), decision.before);
  }
  const bool durable = decision.step.durable;
  Decide(std::move(decision), std::move(saved), /*last=*/durable);
}

// A key that was heard to be free is first for those who may wait on, which are about to be looked
// at.
void Partition::DecideTimedOut(Entry& entry, Call& call) {
  RemoveWaiter(entry, *entry.waiters->Find(&call));
  if (IsFree(entry.state) && entry.waiting() > 0) {
    backlog_.emplace_back(&call);
  } else {
    DecideShared(call, entry);
  }
}

void Partition::Decide(Decision decision, std::unique_ptr<KeyState> saved, bool last) {
  Entry& entry = *decision.entry;
  entry.asked = true;
  entry.busy = entry.busy || last;
  if (decision.step.durable) {
    entry.changes = true;
    entry.saved = std::move(saved);
  }
  decisions_.push_back(std::move(decision));
}

void Partition::DecideShared(const UnsentGrant& unsent, Entry& entry) {
  if (entry.busy || entry.deferred) return Defer(entry, unsent);
  if (!entry.held() || entry.state.record->fencing_token() != unsent.fencing_token) return;
  if (--entry.grant_replies > 0) return;
  Decision decision{
      .entry = &entry, .unsent_token = unsent.fencing_token, .before = entry.state_now()};
  auto saved = std::make_unique<KeyState>(entry.state);
  decision.step = CheckedUndoGrant(entry.state, unsent.fencing_token, ContextFor(entry));
  Decide(std::move(decision), std::move(saved), /*last=*/true);
}

void Partition::DecideLapse(Entry& entry) {
  if (entry.busy) return;
  Decision decision{.entry = &entry, .before = entry.state_now()};
  auto saved = std::make_unique<KeyState>(entry.state);
  decision.step = CheckedLapse(entry.state, ContextFor(entry));
  Decide(std::move(decision), std::move(saved), /*last=*/true);
}

void Partition::LookNow(Entry& entry) {
  if (entry.asked || entry.deferred) return LookLater(entry);
  if (entry.state_now() == State::COMPLETED && entry.waiting() > 0) {
    // Heard from the store itself, and after they came.
    if (entry.confirmed_at.has_value()) return AnswerCompletedToAll(entry);
  } else if (IsFree(entry.state) && entry.waiting() > 0 && !entry.corrupt) {
    if (DecideWaiters(entry)) return;
  }
  Decide({.entry = &entry, .look = true, .before = entry.state_now()}, nullptr, /*last=*/false);
}

// As GrantToFirstWaiter, but that nobody leaves the queue before it is known that the key is free.
bool Partition::DecideWaiters(Entry& entry) {
  auto& acquires = entry.waiters->acquires();
  for (auto place = acquires.begin(); place != acquires.end();) {
    Call& call = *(place++)->call;
    if (call.gone()) {
      EndWait(entry, &call, Cancelled());
      continue;
    }
    auto& exchange = std::get<AcquireLockExchange>(call.operation);
    exchange.response->Clear();
    Decision decision{.entry = &entry, .call = &call, .waiting = true, .before = entry.state_now()};
    auto saved = std::make_unique<KeyState>(entry.state);
    decision.step =
        CheckedDecide(entry.state, *exchange.request, ContextFor(entry, call), exchange.response);
    if (decision.step.wait && !decision.step.refusal.has_value()) continue;
    const bool granted = decision.step.granted;
    Decide(std::move(decision), std::move(saved), /*last=*/true);
    if (granted) break;
  }
  return entry.busy;
}

// --- What comes of it ---------------------------------------------------------------------------

void Partition::CommitShared() {
  if (decisions_.empty()) return;
  std::vector<Entry*> asked;
  std::vector<storage::Write> writes;
  for (const Decision& decision : decisions_) {
    Entry& entry = *decision.entry;
    if (!std::exchange(entry.asked, false)) continue;
    asked.push_back(&entry);
    writes.push_back({.store_key = entry.store_key,
                      .expected = entry.revision,
                      .record = entry.state.record.has_value() ? &*entry.state.record : nullptr,
                      .assign_token = entry.state.token_pending,
                      .check_only = !entry.changes});
  }
  const MonotonicTime begun = environment_.clock->Monotonic();
  auto results = environment_.store->Commit(writes);
  const MonotonicTime heard = environment_.clock->Monotonic();
  if (!results.ok()) results = std::vector<storage::WriteResult>(writes.size());
  environment_.meter->OnCommit(heard - begun, writes.size());
  for (std::size_t i = 0; i < asked.size(); ++i) {
    Settle(*asked[i], std::move((*results)[i]), begun, heard);
  }
  std::vector<Decision> decided = std::exchange(decisions_, {});
  for (Decision& decision : decided) Conclude(decision);
}

void Partition::Settle(Entry& entry, storage::WriteResult result, MonotonicTime asked,
                       MonotonicTime heard) {
  entry.busy = false;
  entry.changes = false;
  entry.outcome = result.outcome;
  const std::unique_ptr<KeyState> saved = std::move(entry.saved);
  if (result.outcome == Outcome::kCommitted) {
    entry.revision = result.revision;
    if (entry.state.token_pending) {
      entry.state.record->set_fencing_token(result.token);
      entry.state.token_pending = false;
    }
    entry.confirmed_at = asked;
    return;
  }
  if (saved != nullptr) entry.state = std::move(*saved);
  if (result.outcome == Outcome::kConflict) {
    Accept(entry, std::move(result.current), heard);
    entry.confirmed_at = asked;
    entry.kept = true;
  } else {
    SetLeaseTimer(entry);
  }
}

void Partition::Conclude(Decision& decision) {
  switch (decision.entry->outcome) {
    case Outcome::kCommitted:
      return ConcludeWell(decision);
    case Outcome::kConflict:
      return Retry(decision);
    case Outcome::kUnknown:
      return RefuseDecided(decision, StoreDidNotAnswer());
    case Outcome::kRefused:
      return RefuseDecided(decision, StoreRefused());
  }
}

void Partition::ConcludeWell(Decision& decision) {
  Entry& entry = *decision.entry;
  if (decision.call == nullptr) {
    if (decision.step.lapsed) {
      environment_.meter->OnLapse(entry.name_space(), decision.step.lapsed_started,
                                  now_.monotonic - entry.state.lease_deadline);
    }
    if (decision.step.durable) Apply(entry, decision.step, decision.before);
    return;
  }
  if (decision.waiting) RemoveWaiter(entry, *entry.waiters->Find(decision.call));
  ApplyToCall(entry, *decision.call, std::move(decision.step), decision.before);
}

// Whoever waits goes on waiting, and is looked at again where there is reason to.
void Partition::Retry(Decision& decision) {
  if (decision.unsent_token != 0) {
    decision.entry->grant_replies = 1;
    retries_.emplace_back(UnsentGrant{decision.entry->store_key, decision.unsent_token});
  } else if (decision.call != nullptr && !decision.waiting) {
    retries_.emplace_back(decision.call);
  }
}

void Partition::RefuseDecided(Decision& decision, Refusal refusal) {
  Entry& entry = *decision.entry;
  if (decision.step.lapsed) {
    const Duration promised(entry.state.record->promised_lease_nanos());
    entry.state.lease_deadline = now_.monotonic + std::min(kLapseAgainAfter, promised);
    SetLeaseTimer(entry);
  }
  if (decision.waiting) {
    EndWait(entry, decision.call, std::move(refusal));
  } else if (decision.call != nullptr) {
    AnswerLater(*decision.call, std::move(refusal));
  } else if (decision.look && entry.waiting() > 0) {
    // One of them, so that this comes to an end where the store goes on not answering.
    EndWait(entry, entry.waiters->First(), std::move(refusal));
  }
  if ((decision.waiting || decision.look) && entry.waiting() > 0) LookLater(entry);
}

}  // namespace latchkey
