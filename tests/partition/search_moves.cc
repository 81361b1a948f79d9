// What may happen in a state of the search, and what it is to the partition.

#include <algorithm>

#include "tests/partition/search_world.h"

namespace latchkey::search {
namespace {

using OnLapse = v1::AcquireLockRequest;

constexpr const char* kNames[] = {
    "AcquireLock waits, accept_recover",
    "AcquireLock waits",
    "AcquireLock accept_recover",
    "CheckResult waits",
    "RenewLease",
    "RenewLease longer",
    "RenewLease effect_started",
    "RecordResult",
    "Release",
    "Release NOT_EXECUTED",
    "Release UNKNOWN",
    "Release RUN_NOT_EXECUTED",
    "Release by attempt",
    "ResolveOutcome SUCCEEDED",
    "ResolveOutcome NOT_EXECUTED",
    "ForceRelease",
    "DeleteRecord",
    "goes away",
    "a batch is decided",
    "a batch is decided, and during its commit goes",
    "a batch is decided, and during its commit goes the retry of",
    "a batch is decided, and its commit's answer is lost",
    "a tick passes",
    "crash and restart",
};
static_assert(std::size(kNames) == static_cast<std::size_t>(Action::kCrash) + 1);

bool NamesAttempt(Action action) {
  return action <= Action::kCheck || action == Action::kGiveUp || action == Action::kCancel ||
         action == Action::kProcessWhileGoing || action == Action::kRetryGoing;
}

}  // namespace

std::string AttemptId(int attempt, const Scope& scope) {
  std::string id(1, static_cast<char>('a' + attempt % scope.callers));
  if (attempt >= scope.callers) id += std::to_string(1 + attempt / scope.callers);
  return id;
}

std::string Print(const Move& move, const Scope& scope) {
  std::string text = kNames[static_cast<std::size_t>(move.action)];
  if (NamesAttempt(move.action)) text += ": " + AttemptId(move.attempt, scope);
  if (move.action <= Action::kTry) {
    text += " " + OnLapse::OnLapse_Name(static_cast<OnLapse::OnLapse>(move.on_lapse));
  }
  if (move.token != 0) text += " token " + std::to_string(move.token);
  return text;
}

std::vector<Move> World::Moves() const {
  std::vector<Move> moves;
  if (harness_.failed()) return {{Action::kCrash}};
  if (queued_ < scope_.batch) {
    AddAcquires(&moves);
    for (std::uint64_t token = 1; token <= highest_; ++token) AddTokenMoves(token, &moves);
    if (scope_.admin) AddAdminMoves(&moves);
  }
  if (queued_ > 0 || ticks_ > 0) moves.push_back({Action::kProcess});
  AddEndings(&moves);
  if (queued_ > 0 && scope_.faults) moves.push_back({Action::kProcessFailing});
  if (ticks_ < kTicksPerBatchMax) moves.push_back({Action::kTick});
  if (highest_ > 0 || !pending_.empty()) moves.push_back({Action::kCrash});
  return moves;
}

std::size_t World::Copies(int attempt) const {
  return static_cast<std::size_t>(std::ranges::count_if(pending_, [&](const Pending& pending) {
    return pending.acquire != nullptr && !pending.left && pending.move.attempt == attempt;
  }));
}

void World::AddAcquires(std::vector<Move>* moves) const {
  // Each call may be granted.
  const auto open = static_cast<std::uint64_t>(std::ranges::count_if(
      pending_, [](const Pending& pending) { return pending.acquire != nullptr; }));
  const bool may_grant = highest_ + open < static_cast<std::uint64_t>(scope_.tokens);
  for (int attempt = 0; attempt < scope_.callers * scope_.attempts; ++attempt) {
    const auto id = static_cast<std::uint8_t>(attempt);
    const auto at = static_cast<std::size_t>(attempt);
    // Callers begin in turn, so that no two runs differ in names only, and an attempt after theirs.
    if (attempt > 0 && asked_lapse_[at - 1] == 0) break;
    // A retry takes the place of the call that it repeats, and so makes no further grant.
    const std::size_t copies = Copies(attempt);
    if (gone_[at]) {  // and so this is a late duplicate
      if (may_grant && copies == 0) moves->push_back({Action::kTry, id, 0, asked_lapse_[at]});
      continue;
    }
    if (copies > 1 || (copies == 1 ? !scope_.retries : !may_grant)) continue;
    for (int lapse = 1; lapse <= 3; ++lapse) {
      const int own = 1 + attempt % scope_.callers % 3;
      const bool asked = asked_lapse_[at] != 0;  // then this is a retry, which asks the same
      if (asked ? lapse != asked_lapse_[at] : !scope_.every_on_lapse && lapse != own) continue;
      const auto on_lapse = static_cast<std::uint8_t>(lapse);
      moves->push_back({Action::kAcquire, id, 0, on_lapse});
      if (scope_.no_recover) moves->push_back({Action::kAcquireNoRecover, id, 0, on_lapse});
      moves->push_back({Action::kTry, id, 0, on_lapse});
    }
  }
  const bool checking = std::ranges::any_of(
      pending_, [](const Pending& pending) { return pending.check != nullptr; });
  if (scope_.checks && !checking) moves->push_back({Action::kCheck});
}

void World::AddTokenMoves(std::uint64_t number, std::vector<Move>* moves) const {
  const Token& token = tokens_[number];
  if (!token.told || gone_[static_cast<std::size_t>(token.attempt)]) return;
  const auto add = [&](Action action) {
    moves->push_back({action, 0, static_cast<std::uint8_t>(number)});
  };
  add(Action::kRenew);
  add(Action::kRecord);
  add(Action::kReleaseUnknown);
  add(Action::kReleaseNotExecuted);
  if (number != newest()) return;  // one of each is enough for what must change nothing
  add(Action::kMark);
  if (scope_.longer) add(Action::kRenewLonger);
  add(Action::kReleaseUnset);
  const bool others_act = std::ranges::any_of(
      tokens_, [&](const Token& other) { return other.may_act && &other != &token; });
  if (!others_act) add(Action::kReleaseRunNotExecuted);
}

void World::AddAdminMoves(std::vector<Move>* moves) const {
  const auto number = static_cast<std::uint8_t>(newest());
  const auto add = [&](Action action) { moves->push_back({action, 0, number}); };
  if (state() == State::HELD) add(Action::kForceRelease);
  if (state() == State::COMPLETED) add(Action::kDelete);
  if (state() != State::IN_DOUBT) return;
  add(Action::kResolveSucceeded);
  add(Action::kResolveNotExecuted);
}

// Callers that give up or go away.
void World::AddEndings(std::vector<Move>* moves) const {
  for (int attempt = 0; attempt < scope_.callers * scope_.attempts; ++attempt) {
    const auto at = static_cast<std::size_t>(attempt);
    const auto id = static_cast<std::uint8_t>(attempt);
    const bool told = std::ranges::any_of(
        tokens_, [&](const Token& token) { return token.told && token.attempt == attempt; });
    const bool may_queue = queued_ < scope_.batch;
    if (asked_lapse_[at] != 0 && !told && !gone_[at] && may_queue)
      moves->push_back({Action::kGiveUp, id});
    if (Copies(attempt) == 0) continue;
    if (may_queue) moves->push_back({Action::kCancel, id});
    if (scope_.faults && (queued_ > 0 || ticks_ > 0)) {
      moves->push_back({Action::kProcessWhileGoing, id});
      if (Copies(attempt) > 1) moves->push_back({Action::kRetryGoing, id});
    }
  }
}

// --- Making them ---

v1::AcquireLockRequest World::AcquireOf(const Move& move) const {
  const bool waits = move.action != Action::kTry;
  auto request = latchkey::Acquire(kKey, AttemptId(move.attempt, scope_), kLease);
  if (waits) SetProto(kWait, request.mutable_wait_timeout());
  request.set_accept_recover(move.action != Action::kAcquireNoRecover);
  request.set_on_lapse(static_cast<OnLapse::OnLapse>(move.on_lapse));
  if (scope_.fingerprints) {
    const int caller = move.attempt % scope_.callers;
    request.set_fingerprint(caller == 0 ? "" : caller == 1 ? "one" : "other");
  }
  return request;
}

template <class Request>
World::Pending& World::Submit(const Move& move, Request request) {
  auto& call = harness_.Submit(std::move(request));
  Pending& pending = pending_.emplace_back(call);
  pending.move = move;
  pending.gives_up = call.arrived;
  pending.place = ++places_;
  return pending;
}

// What a caller says by its call, whatever comes of it.
void World::PromiseNotToAct(const Move& move) {
  Token& token = tokens_[move.token];
  switch (move.action) {
    case Action::kReleaseUnset:
    case Action::kReleaseNotExecuted:
    case Action::kReleaseRunNotExecuted:
      token.may_act = false;
      [[fallthrough]];
    case Action::kRecord:
    case Action::kReleaseUnknown:
    case Action::kForceRelease:  // the operator has seen to that
      token.believed_until = {};
      token.stopping = true;
      break;
    case Action::kResolveNotExecuted:
    case Action::kDelete:
      for (Token& any : tokens_) any.may_act = false;
      if (move.action == Action::kDelete) result_.clear(), deleting_ = true;
      break;
    case Action::kGiveUp:
      gone_[move.attempt] = true;
      break;
    default:
      break;
  }
}

void World::Ask(const Move& move) {
  using Outcome = v1::ResolveOutcomeRequest;
  ++queued_;
  batch_.push_back(move);
  PromiseNotToAct(move);
  switch (move.action) {
    case Action::kAcquire:
    case Action::kAcquireNoRecover:
    case Action::kTry: {
      asked_lapse_[move.attempt] = move.on_lapse;
      Pending& pending = Submit(move, AcquireOf(move));
      if (move.action != Action::kTry) pending.gives_up += kWait;
      return;
    }
    case Action::kCheck:
      Submit(move, latchkey::Check(kKey, kWait)).gives_up += kWait;
      return;
    case Action::kRenew:
    case Action::kRenewLonger:
    case Action::kMark: {
      auto request = latchkey::Renew(kKey, move.token);
      if (move.action == Action::kRenewLonger) {
        SetProto(kLongerLease, request.mutable_lease_duration());
      }
      request.set_effect_started(move.action == Action::kMark);
      Submit(move, std::move(request));
      return;
    }
    case Action::kRecord:
      Submit(move, Succeed(kKey, move.token, "R" + std::to_string(move.token)));
      return;
    case Action::kGiveUp:
      Submit(move, latchkey::GiveUp(kKey, AttemptId(move.attempt, scope_)));
      return;
    case Action::kResolveSucceeded:
    case Action::kResolveNotExecuted: {
      const bool succeeded = move.action == Action::kResolveSucceeded;
      Submit(move, latchkey::Resolve(kKey, move.token,
                                     succeeded ? Outcome::SUCCEEDED : Outcome::NOT_EXECUTED));
      return;
    }
    case Action::kForceRelease:
      Submit(move, Force(kKey, move.token));
      return;
    case Action::kDelete:
      Submit(move, latchkey::Delete(kKey, move.token));
      return;
    default: {
      const int effect = static_cast<int>(move.action) - static_cast<int>(Action::kReleaseUnset);
      Submit(move,
             latchkey::Release(kKey, move.token, static_cast<v1::ReleaseRequest::Effect>(effect)));
    }
  }
}

// The copy that has waited longest; its retry waits on.
void World::Cancel(int attempt) {
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    Pending& pending = pending_[i];
    if (pending.acquire == nullptr || pending.left || pending.move.attempt != attempt) continue;
    pending.left = true;
    ++queued_;
    batch_.push_back({Action::kCancel, static_cast<std::uint8_t>(attempt)});
    server_.Cancel(*this, i);
    return;
  }
}

}  // namespace latchkey::search
