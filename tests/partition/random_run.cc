#include "tests/partition/random_run.h"

#include <algorithm>

namespace latchkey {
namespace {

using R = v1::Refusal;

constexpr Duration kLeases[] = {100ms, 200ms, 500ms, 1s, 2s};
// So long an attempt that was given up is surely remembered, in batches.
constexpr int kRemembered = 3;
constexpr Duration kWaits[] = {0ms, 0ms, 200ms, 500ms, 1s, 3s};

Limits SmallLimits() {
  Limits limits;
  limits.waiters_per_key = 3;
  limits.waiters_total = 10;
  limits.ended_attempts = 50;
  return limits;
}

bool MayStillWait(const RememberingCall& call) { return call.times_finished() == 0; }

}  // namespace

RandomRun::RandomRun(std::uint64_t seed) : random_(seed), harness_({}, SmallLimits()) {
  for (const char* name : {"k0", "k1", "k2", "k3", "k4"}) keys_[name];
}

void RandomRun::Batch() {
  ++batch_;
  highest_token_ = owners_.empty() ? 0 : owners_.rbegin()->first;
  for (std::uint64_t calls = random_() % 6; calls > 0; --calls) SubmitAny();
  CancelSome();
  if (OneIn(3)) harness_.clock.Advance(OneOf({1ms, 50ms, 100ms, 150ms}));
  for (Pending& pending : pending_) {
    const bool out_of_time = pending.gives_up <= harness_.clock.Monotonic();
    pending.must_not_be_granted = pending.call->gone() || (pending.was_waiting && out_of_time);
  }
  if (OneIn(200)) {
    harness_.next_commit = OneIn(2) ? storage::Fault::kFailBefore : storage::Fault::kFailAfter;
  }
  harness_.during_commit = [&] {
    if (pending_.empty() || !OneIn(6)) return;
    pending_[random_() % pending_.size()].call->SetGone();
  };
  const bool fault = harness_.next_commit != storage::Fault::kNone;
  const int stalls = harness_.steps.stalls;
  const int lapses = harness_.steps.lapses;
  harness_.Run();
  Count("stalls") += harness_.steps.stalls - stalls;
  Count("lapses") += harness_.steps.lapses - lapses;
  if (fault && harness_.next_commit == storage::Fault::kNone && !harness_.failed()) {
    Violated("D4: a commit failed, and the partition goes on");
  }
  Check();
  if (harness_.failed() || OneIn(150)) Restart();
  LetTimePass();
}

void RandomRun::Converge() {
  harness_.during_commit = nullptr;
  harness_.next_commit = storage::Fault::kNone;
  harness_.Pass(10s);
  Check();
  for (const auto& [name, key] : keys_) {
    if (harness_.StoresLease(name)) Violated("L10: " + name + " is still held");
  }
  if (!pending_.empty()) Violated("L10: a call still waits");
  if (harness_.partition().NextTimer().has_value()) Violated("L10: a timer is left");
}

// --- Drawing ---

Duration RandomRun::OneOf(std::initializer_list<Duration> choices) {
  return choices.begin()[random_() % choices.size()];
}

std::string RandomRun::AnyKey() { return "k" + std::to_string(random_() % keys_.size()); }

// Most often the newest that a caller knows.
std::uint64_t RandomRun::AnyToken(Key& key) {
  if (key.tokens.empty() || OneIn(20)) return 1 + random_() % (highest_token_ + 2);
  return OneIn(5) ? key.tokens[random_() % key.tokens.size()] : key.tokens.back();
}

v1::AcquireLockRequest RandomRun::AnyAcquire(const std::string& name) {
  Key& key = keys_[name];
  if (!key.recent.empty() && OneIn(4)) return key.recent[random_() % key.recent.size()];
  auto request = Await(name, "a" + std::to_string(++attempts_), kWaits[random_() % 6]);
  SetProto(kLeases[random_() % 5], request.mutable_lease_duration());
  request.set_on_lapse(static_cast<v1::AcquireLockRequest::OnLapse>(random_() % 4));
  request.set_accept_recover(!OneIn(3));
  if (OneIn(8)) request.set_fingerprint(OneIn(4) ? "F2" : "F1");
  key.recent.push_back(request);
  if (key.recent.size() > 6) key.recent.erase(key.recent.begin());
  return request;
}

void RandomRun::SubmitAny() {
  const std::string name = AnyKey();
  switch (random_() % 10) {
    case 0:
    case 1:
    case 2:
    case 3:
      Submit(AnyAcquire(name));
      return;
    case 4:
      Submit(latchkey::Check(name, kWaits[random_() % 6]));
      return;
    case 5:
      SubmitByOperator(name);
      return;
    default:
      SubmitByHolder(name);
  }
}

void RandomRun::SubmitByHolder(const std::string& name) {
  Key& key = keys_[name];
  const std::uint64_t token = AnyToken(key);
  const auto choice = random_() % 8;
  if (choice < 3) {
    auto renew = RenewFor(name, token, kLeases[random_() % 5]);
    renew.set_effect_started(OneIn(8));
    if (OneIn(8)) renew.set_checkpoint("at " + std::to_string(places_));
    Submit(renew);
  } else if (choice < 4) {
    key.ended_tokens.insert(token);
    Submit(Succeed(name, token, "ch_" + std::to_string(++references_)));
  } else if (choice < 7) {
    key.ended_tokens.insert(token);
    const auto effect = static_cast<v1::ReleaseRequest::Effect>(random_() % 4);
    Submit(Release(name, token, effect));
  } else if (!key.recent.empty()) {
    const std::string& attempt = key.recent[random_() % key.recent.size()].attempt_id();
    key.ended_attempts.insert(attempt);
    Submit(GiveUp(name, attempt));
  }
}

void RandomRun::SubmitByOperator(const std::string& name) {
  Key& key = keys_[name];
  const std::uint64_t token = AnyToken(key);
  switch (random_() % 4) {
    case 0:
      key.ended_tokens.insert(token);
      Submit(Force(name, token));
      return;
    case 1:
      Submit(Resolve(name, token, v1::ResolveOutcomeRequest::NOT_EXECUTED));
      return;
    case 2:
      key.result.reset();  // from here on it may be gone
      Submit(Delete(name, token));
      return;
    default:
      Submit(Get(name));
  }
}

void RandomRun::CancelSome() {
  for (Pending& pending : pending_) {
    if (!pending.was_waiting || !(pending.call->gone() || OneIn(25))) continue;
    harness_.Cancel(*pending.call);
    ++Count("cancelled");
  }
}

void RandomRun::LetTimePass() {
  if (OneIn(3)) return;
  const auto timer = harness_.partition().NextTimer();
  const MonotonicTime now = harness_.clock.Monotonic();
  if (OneIn(3) && timer.has_value() && *timer > now && *timer < now + 400ms) {
    harness_.clock.Advance(*timer - now);
  } else {
    harness_.clock.Advance(OneIn(40) ? 700ms : OneOf({1ms, 10ms, 100ms, 100ms, 200ms}));
  }
}

// --- Checking ---

void RandomRun::Violated(const std::string& what) {
  if (violation_.empty()) violation_ = what;
}

void RandomRun::Check() {
  InheritPlaces();
  // Tokens rise, so what was granted first is looked at first, also where it was taken back.
  std::ranges::sort(pending_, {}, [](const Pending& pending) {
    const std::uint64_t token =
        pending.acquire == nullptr ? 0 : pending.acquire->grant().fencing_token();
    return std::pair(token, pending.call->serial);
  });
  for (Pending& pending : pending_) CheckAnswer(pending);
  if (harness_.failed()) return;
  CheckKeys();
  CheckCounts();
  Forget();
}

// A retry that took a call's place stands where that one stood.
void RandomRun::InheritPlaces() {
  for (const Pending& old : pending_) {
    if (old.call->reason() != R::SUPERSEDED_BY_RETRY) continue;
    ++Count("superseded");
    for (Pending& retry : pending_) {
      const bool same =
          retry.acquire != nullptr && retry.key == old.key &&
          retry.acquire->request().attempt_id() == old.acquire->request().attempt_id();
      if (same) retry.place = std::min(retry.place, old.place);
    }
  }
}

void RandomRun::CheckAnswer(Pending& pending) {
  const RememberingCall& call = *pending.call;
  if (call.times_finished() > 1) return Violated("a call was finished twice");
  if (!call.finished()) {
    if (harness_.failed()) return Violated("D4: a call was not finished by the failure");
    const bool may_wait = pending.acquire != nullptr || pending.check != nullptr;
    if (!may_wait) return Violated("a call that does not wait was not finished");
    if (pending.gives_up <= harness_.clock.Monotonic()) Violated("a call waits beyond its time");
    return;
  }
  const bool failed = call.reason() == R::STORAGE_UNAVAILABLE;
  if (failed && !harness_.failed()) return Violated("a call failed with a store that had not");
  if (failed) ++Count("failed calls");
  if (call.reason() == R::STALE_FENCING_TOKEN) ++Count("stale");
  if (call.reason() == R::FINGERPRINT_MISMATCH) ++Count("fingerprints refused");
  if (call.reason() == R::WAITERS_LIMIT) ++Count("waiters limit");
  if (call.reason() == R::ATTEMPT_ENDED) ++Count("ended attempts");
  if (pending.acquire != nullptr) {
    const AcquireCall& acquire = *pending.acquire;
    if (acquire.granted() || acquire.undone()) CheckGrant(pending);
    if (acquire.completed()) {
      CheckResultOf(pending.key, acquire.response().completed().result().provider_reference());
    }
    if (pending.was_waiting && acquire.contended()) ++Count("timed out");
  }
  if (call.shared() != nullptr) ++Count("answered by completion");
  if (pending.renew != nullptr) CheckRenewal(pending);
  if (pending.release != nullptr) NoteGivenUp(pending);
  if (pending.record != nullptr && pending.record->ok()) {
    CheckResultOf(pending.key, pending.record->response().result().provider_reference());
    ++Count("recorded");
  }
}

void RandomRun::CheckGrant(const Pending& pending) {
  const AcquireCall& call = *pending.acquire;
  const auto& grant = call.grant();
  const std::string& attempt_id = call.request().attempt_id();
  Key& key = keys_[pending.key];
  const auto [owner, is_new] =
      owners_.try_emplace(grant.fencing_token(), Owner{pending.key, attempt_id});
  if (owner->second.key != pending.key || owner->second.attempt_id != attempt_id) {
    return Violated("L3: token " + std::to_string(grant.fencing_token()) + " has two owners");
  }
  ++Count(grant.replayed() ? "replays" : "grants");
  if (!grant.replayed()) {
    if (grant.mode() == v1::Grant::RECOVER) ++Count("recoveries");
    if (pending.was_waiting) ++Count("handed over");
    if (!is_new || grant.fencing_token() <= highest_token_) {
      return Violated("L2: a new grant has an old token");
    }
    if (pending.must_not_be_granted) return Violated("L9: a grant for a call known to be gone");
    CheckNotGivenUp(pending);
    CheckFirstInFirstOut(pending);
    for (const auto& [token, promise] : key.promises) {
      const bool ended =
          key.ended_tokens.contains(token) || key.ended_attempts.contains(promise.attempt_id);
      if (!ended && promise.until > harness_.clock.Monotonic()) {
        return Violated("L1: " + pending.key + " was granted while token " + std::to_string(token) +
                        " is promised it");
      }
    }
  }
  if (call.undone()) {
    ++Count("unsent grants");
    if (!key.promises.contains(grant.fencing_token())) {
      key.unsent_tokens.insert(grant.fencing_token());
    }
  }
  if (call.gone()) return;
  key.unsent_tokens.erase(grant.fencing_token());
  if (key.tokens.empty() || key.tokens.back() < grant.fencing_token()) {
    key.tokens.push_back(grant.fencing_token());
  }
  Promise& promise = key.promises[grant.fencing_token()];
  promise.attempt_id = attempt_id;
  promise.until = std::max(promise.until, call.arrived + call.LeaseSinceArrival());
}

void RandomRun::CheckFirstInFirstOut(const Pending& granted) {
  const bool recovers = granted.acquire->grant().mode() == v1::Grant::RECOVER;
  for (const Pending& other : pending_) {
    if (other.acquire == nullptr || other.key != granted.key || !MayStillWait(*other.call))
      continue;
    const bool passed_over = recovers && !other.acquire->request().accept_recover();
    if (other.place < granted.place && !passed_over) {
      return Violated("L8: somebody was overtaken on " + granted.key);
    }
  }
}

void RandomRun::NoteGivenUp(const Pending& pending) {
  const ReleaseCall& release = *pending.release;
  if (!release.ok() || release.request().fencing_token() != 0) return;
  if (release.response().state() == State::HELD) return;
  keys_[pending.key].given_up[release.request().attempt_id()] = {release.serial, batch_};
}

void RandomRun::CheckNotGivenUp(const Pending& granted) {
  const auto& given_up = keys_[granted.key].given_up;
  const auto found = given_up.find(granted.acquire->request().attempt_id());
  if (found == given_up.end() || found->second.batch < batch_ - kRemembered) return;
  if (found->second.serial < granted.call->serial) {
    Violated("L9: a grant for an attempt that was given up");
  }
}

void RandomRun::CheckRenewal(const Pending& pending) {
  const RenewCall& renew = *pending.renew;
  Key& key = keys_[pending.key];
  const std::uint64_t token = renew.request().fencing_token();
  const auto promise = key.promises.find(token);
  if (renew.ok()) {
    ++Count("renewals");
    if (promise != key.promises.end()) {
      promise->second.until =
          std::max(promise->second.until, renew.arrived + renew.LeaseSinceArrival());
    }
    return;
  }
  if (promise == key.promises.end() || promise->second.until <= renew.arrived) return;
  if (key.ended_tokens.contains(token) || renew.reason() == R::STORAGE_UNAVAILABLE) return;
  if (key.ended_attempts.contains(promise->second.attempt_id)) return;
  Violated("L4: the lease of token " + std::to_string(token) + " ended before its time");
}

// Recorded, or read back.
void RandomRun::CheckResultOf(const std::string& name, const std::string& reference) {
  Key& key = keys_[name];
  const auto record = harness_.Stored(name);
  const bool completed = record.has_value() && record->has_result();
  if (completed && record->result().provider_reference() == reference) key.result = reference;
}

void RandomRun::CheckKeys() {
  for (const auto& [name, key] : keys_) {
    const auto record = harness_.Stored(name);
    const auto state = harness_.StoredState(name);
    if (key.result.has_value() &&
        (state != State::COMPLETED || record->result().provider_reference() != *key.result)) {
      Violated("I2: the result of " + name + " is gone or another one");
    }
    if (state == State::HELD && key.unsent_tokens.contains(record->fencing_token())) {
      Violated("L9: a grant that nobody was told of stands on " + name);
    }
    for (const Pending& pending : pending_) {
      if (pending.key != name || !MayStillWait(*pending.call)) continue;
      if (state == State::COMPLETED) Violated("a call waits for " + name + ", which is completed");
      if (pending.acquire == nullptr || state == State::HELD) continue;
      if (state == State::ABSENT || pending.acquire->request().accept_recover()) {
        Violated("L8: " + name + " is free and has a queue");
      }
    }
  }
}

void RandomRun::CheckCounts() {
  const auto waiting = std::ranges::count_if(
      pending_, [](const Pending& pending) { return MayStillWait(*pending.call); });
  if (harness_.waiters() != static_cast<std::size_t>(waiting)) Violated("waiters are miscounted");
  const LiveCounts::Counts stored = harness_.CountStored();
  const LiveCounts::Counts counted = harness_.counts();
  if (stored.held != counted.held || stored.in_doubt != counted.in_doubt) {
    Violated("live records are miscounted");
  }
  if (stored.held > 0 && !harness_.partition().NextTimer().has_value()) {
    Violated("L10: a lease has no timer");
  }
}

// Calls that are finished are freed, as services free them.
void RandomRun::Forget() {
  std::erase_if(pending_, [&](Pending& pending) {
    pending.was_waiting = true;
    if (MayStillWait(*pending.call)) return false;
    harness_.Delete(*pending.call);
    return true;
  });
}

void RandomRun::Restart() {
  ++Count(harness_.failed() ? "crashes" : "restarts");
  harness_.next_commit = storage::Fault::kNone;
  harness_.Restart();
  pending_.clear();
  // Whom the process before had told is not known any more.
  for (auto& [name, key] : keys_) {
    key.unsent_tokens.clear();
    key.given_up.clear();
  }
}

}  // namespace latchkey
