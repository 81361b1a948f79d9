// What is promised, checked after each batch from what callers were told and what is stored.

#include <algorithm>

#include "tests/partition/search_world.h"

namespace latchkey::search {
namespace {

using R = v1::Refusal;

// A grant that was made by the batch at hand; it may have been taken back.
bool NewlyGranted(const AcquireCall& call) {
  return (call.granted() || call.undone()) && !call.grant().replayed();
}

// Compared where both sides gave one.
bool Differs(const std::optional<storage::v1::Record>& record, const std::string& fingerprint) {
  return record && !record->fingerprint().empty() && !fingerprint.empty() &&
         record->fingerprint() != fingerprint;
}

}  // namespace

void World::Violated(const char* name, std::string sentence) {
  if (!finding_) finding_ = Finding{name, std::move(sentence)};
}

// Nothing that the commit makes durable may be answered before it (D1). And the moment at which a
// caller goes away that is neither before the decision nor after the answer. Later commits are of
// what this batch left to do.
void World::CheckDuringCommit() {
  if (++commits_ > 1) return;
  for (Pending& pending : pending_) {
    const bool granted = pending.acquire != nullptr && NewlyGranted(*pending.acquire);
    const bool recorded = pending.record != nullptr && pending.record->ok() &&
                          !pending.record->response().already_recorded();
    if (granted || recorded) Violated("D1", "an answer was sent before it was durable");
    if (pending.call == going_) {
      pending.call->SetGone();
      pending.left = true;
    }
  }
}

void World::CheckAnswers() {
  InheritPlaces();
  EndSuperseded();
  for (const Pending& pending : pending_) CheckAnswer(pending);
  if (state() != State::HELD || tokens_[newest()].told || harness_.failed()) return;
  for (const Pending& pending : pending_) {
    const bool its = pending.acquire != nullptr && pending.left && NewlyGranted(*pending.acquire) &&
                     pending.acquire->grant().fencing_token() == newest();
    if (its) Violated("L10", "a grant that reached nobody is kept");
  }
}

// A retry that took a call's place stands where that one stood.
void World::InheritPlaces() {
  for (const Pending& old : pending_) {
    if (old.acquire == nullptr || old.call->reason() != R::SUPERSEDED_BY_RETRY) continue;
    for (Pending& retry : pending_) {
      const bool same = retry.acquire != nullptr && retry.move.attempt == old.move.attempt;
      if (!same) continue;
      retry.place = std::min(retry.place, old.place);
      // Before the retry came, its place could not be granted a key in doubt.
      retry.came_to_accept = old.move.action == Action::kAcquireNoRecover;
    }
  }
}

// Follows EndedAttempts: who lost the key without a word is over when another is granted it.
void World::EndSuperseded() {
  std::vector<const Pending*> grants;
  for (const Pending& pending : pending_) {
    if (pending.acquire != nullptr && NewlyGranted(*pending.acquire)) grants.push_back(&pending);
  }
  std::ranges::sort(
      grants, {}, [](const Pending* pending) { return pending->acquire->grant().fencing_token(); });
  auto grant = grants.begin();
  for (const auto& turn : turns_) {
    if (turn) {
      former_ = *turn;
    } else if (grant != grants.end()) {
      const std::string attempt_id = AttemptId((*grant++)->move.attempt, scope_);
      if (!former_.empty() && former_ != attempt_id) ended_.insert(former_);
      former_.clear();
    }
  }
}

void World::CheckAnswer(const Pending& pending) {
  const RememberingCall& call = *pending.call;
  if (call.times_finished() > 1) return Violated("S2", "a call was answered twice");
  if (harness_.failed()) return CheckFailed(pending);
  if (!call.finished()) {
    const bool may_wait = pending.move.action == Action::kAcquire ||
                          pending.move.action == Action::kAcquireNoRecover ||
                          pending.move.action == Action::kCheck;
    if (!may_wait) return Violated("L10", "a call that does not wait was not answered");
    if (pending.gives_up <= harness_.clock.Monotonic()) {
      Violated("L10", "a call waits beyond its time");
    }
    return;
  }
  if (pending.acquire != nullptr && (pending.acquire->granted() || pending.acquire->undone())) {
    CheckGrant(pending);
  }
  if (pending.renew != nullptr) CheckRenewal(pending);
  if (pending.record != nullptr && pending.record->ok()) CheckRecorded(pending);
  if (pending.move.token != 0) CheckStaleToken(pending);
  if (pending.acquire != nullptr && scope_.fingerprints) CheckFingerprint(pending);
}

void World::CheckFailed(const Pending& pending) {
  if (!pending.call->finished()) return Violated("D4", "the store failed and a call still waits");
  const bool granted = pending.acquire != nullptr && NewlyGranted(*pending.acquire);
  // What such a call says of a lease that is live changes it.
  const bool of_holder = stored_before_ && stored_before_->state() == State::HELD &&
                         stored_before_->fencing_token() == pending.move.token;
  const bool ends = of_holder && (pending.record != nullptr || pending.release != nullptr);
  if ((ends || granted) && pending.call->ok()) {
    Violated("D4", "a step was acknowledged although its commit failed");
  }
}

void World::CheckGrant(const Pending& pending) {
  const auto& grant = pending.acquire->grant();
  const std::uint64_t number = grant.fencing_token();
  if (number == 0 || number > highest_) return Violated("L3", "a grant has a token of nobody");
  Token& token = tokens_[number];
  if (token.attempt >= 0 && token.attempt != pending.move.attempt) {
    return Violated("L3", "a token has two owners");
  }
  token.attempt = pending.move.attempt;
  if (!grant.replayed()) {
    if (number <= highest_before_) return Violated("L2", "a new grant has an old token");
    if (pending.barred) return Violated("L9", "a grant was decided for a call known to be gone");
    CheckOrder(pending);
  }
  const bool hears = pending.acquire->granted() && !pending.left && !gone_[pending.move.attempt];
  const Duration lease = FromProto(grant.lease_remaining()).value_or(Duration::zero());
  if (number == newest() && pending.acquire->granted()) {
    lease_until_ = std::max(lease_until_, harness_.clock.Monotonic() + lease);
    if (!grant.replayed()) lease_until_ = harness_.clock.Monotonic() + lease;
  }
  if (hears) Tell(pending);
}

void World::Tell(const Pending& pending) {
  const auto& grant = pending.acquire->grant();
  Token& token = tokens_[grant.fencing_token()];
  token.told = true;
  if (!token.stopping) {
    token.believed_until = std::max(token.believed_until,
                                    pending.call->arrived + pending.acquire->LeaseSinceArrival());
  }
  // Whoever asked that a lapse be forgotten acts only after a mark.
  const bool acts = grant.mode() == v1::Grant::EXECUTE &&
                    pending.move.on_lapse == v1::AcquireLockRequest::IN_DOUBT && !token.stopping;
  if (acts) token.may_act = true;
  const auto acting = std::ranges::count_if(tokens_, [](const Token& any) { return any.may_act; });
  if (acting > 1) Violated("I5", "two callers may act, and neither was told of the other");
}

// Nobody who could have taken the key was there before.
void World::CheckOrder(const Pending& granted) {
  const std::uint64_t token = granted.acquire->grant().fencing_token();
  const bool recovers = granted.acquire->grant().mode() == v1::Grant::RECOVER;
  for (const Pending& other : pending_) {
    if (other.acquire == nullptr || other.place >= granted.place || other.left) continue;
    const bool accepts = other.move.action != Action::kAcquireNoRecover && !other.came_to_accept;
    if (recovers && !accepts) continue;
    const bool still_waits = !other.call->finished();
    const bool had_it_later =
        NewlyGranted(*other.acquire) && other.acquire->grant().fencing_token() > token;
    if (still_waits || had_it_later) Violated("L8", "a waiter was overtaken");
  }
}

void World::CheckRenewal(const Pending& pending) {
  Token& token = tokens_[pending.move.token];
  if (!pending.renew->ok()) {
    // Decided before the lapse, however late the batch is.
    const bool alone = works_ == 1 && !token.ended && stored_before_ &&
                       stored_before_->fencing_token() == pending.move.token;
    if (alone && pending.call->arrived < lease_until_before_) {
      Violated("L4", "a renewal that came in time was refused");
    }
    return;
  }
  if (token.ended) return Violated("L6", "a lease that had ended was renewed");
  token.seen = true;
  const Duration left =
      FromProto(pending.renew->response().lease_remaining()).value_or(Duration::zero());
  if (pending.move.token == newest()) {
    lease_until_ = std::max(lease_until_, harness_.clock.Monotonic() + left);
  }
  if (token.stopping) return;
  token.believed_until =
      std::max(token.believed_until, pending.call->arrived + pending.renew->LeaseSinceArrival());
  if (pending.move.action == Action::kMark && stored_before_ && stored_ &&
      stored_->mode() == v1::Grant::EXECUTE) {
    token.may_act = true;
    const auto acting =
        std::ranges::count_if(tokens_, [](const Token& any) { return any.may_act; });
    if (acting > 1) Violated("I5", "two callers may act, and neither was told of the other");
  }
}

void World::CheckRecorded(const Pending& pending) {
  if (deleting_) return;
  const std::string reference = "R" + std::to_string(pending.move.token);
  if (state() != State::COMPLETED || stored_->result().provider_reference() != reference) {
    return Violated("I2", "a result was acknowledged, and another one or none is stored");
  }
  result_ = reference;
}

// A token that was not the newest before the batch changes nothing. Where something else happened
// in the batch, too, nothing is concluded.
void World::CheckStaleToken(const Pending& pending) {
  const bool alone = works_ == 1 && lapsed_.empty() && stored_before_.has_value();
  if (!alone || pending.move.token == stored_before_->fencing_token()) return;
  if (pending.call->reason() != R::STALE_FENCING_TOKEN) {
    const bool release = pending.release != nullptr;
    return Violated(release ? "L7" : "I3", "a token that is not the newest was not refused");
  }
  if (WhatDecides(stored_) != WhatDecides(stored_before_)) {
    Violated("I3", "a stale claimant changed the record");
  }
}

void World::CheckFingerprint(const Pending& pending) {
  const std::string& fingerprint = pending.acquire->request().fingerprint();
  if (!Differs(stored_before_, fingerprint) || !Differs(stored_, fingerprint)) return;
  const bool same_run = works_ == 1 && lapsed_.empty();
  if (same_run && pending.call->ok()) Violated("I4", "another fingerprint was answered");
}

void World::CheckBelievers() {
  const MonotonicTime now = harness_.clock.Monotonic();
  int believers = 0;
  for (std::size_t number = 1; number <= highest_; ++number) {
    const Token& token = tokens_[number];
    if (token.believed_until <= now) continue;
    if (++believers > 1) return Violated("L1", "two callers believe to hold the key");
    if (state() == State::HELD && newest() == number) continue;
    if (lapsed_.contains(number)) return Violated("L4", "a lease ended before its time");
    Violated("L5", "a caller that believes to hold the key does not");
  }
}

// A free key has nobody who waits for it, a completed one nobody at all.
void World::CheckQueue() {
  for (const Pending& pending : pending_) {
    if (pending.call->finished() || pending.left) continue;
    if (state() == State::COMPLETED) Violated("L10", "a call waits for a key that is completed");
    if (pending.acquire == nullptr) continue;
    if (Differs(stored_, pending.acquire->request().fingerprint()))
      Violated("I4", "another fingerprint waits, and was not refused at once");
    if (state() == State::HELD) continue;
    if (state() == State::ABSENT || pending.move.action != Action::kAcquireNoRecover) {
      Violated("L10", "a call waits for a key that it could have");
    }
  }
  if (state() != State::HELD) return;
  if (lease_until_ <= harness_.clock.Monotonic())
    Violated("L10", "a lease is over and the key still held");
  if (!harness_.partition().NextTimer()) Violated("L10", "a lease has no timer");
}

void World::CheckResult() {
  if (result_.empty()) return;
  if (state() != State::COMPLETED || stored_->result().provider_reference() != result_) {
    Violated("I2", "an acknowledged result is gone, or another one");
  }
}

void World::CheckCounts() {
  const auto waiting = std::ranges::count_if(
      pending_, [](const Pending& pending) { return pending.call->times_finished() == 0; });
  if (harness_.waiters() != static_cast<std::size_t>(waiting)) {
    Violated("S2", "waiters are miscounted");
  }
  const LiveCounts::Counts stored = harness_.CountStored();
  const LiveCounts::Counts counted = harness_.counts();
  if (stored.held != counted.held || stored.in_doubt != counted.in_doubt) {
    Violated("S2", "live records are miscounted");
  }
}

}  // namespace latchkey::search
