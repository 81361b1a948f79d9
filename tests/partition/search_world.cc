#include "tests/partition/search_world.h"

#include <algorithm>

namespace latchkey::search {

void Server::Cancel(World& world, std::size_t pending) {
  world.harness().Cancel(world.call(pending));
}
void Server::Tick(World& world) { world.harness().clock.Advance(kTick); }
void Server::Restart(World& world) { world.harness().Restart(); }

World::World(Server& server, const Scope& scope) : server_(server), scope_(scope) {
  harness_.steps.on_step = [this](const Step& step) { OnStep(step); };
  harness_.during_commit = [this] { CheckDuringCommit(); };
}

void World::Make(const Move& move) {
  switch (move.action) {
    case Action::kTick:
      ++ticks_;
      server_.Tick(*this);
      return;
    case Action::kCrash:
      return Crash();
    case Action::kProcess:
    case Action::kProcessWhileGoing:
    case Action::kRetryGoing:
    case Action::kProcessFailing:
      return Process(move);
    case Action::kCancel:
      return Cancel(move.attempt);
    default:
      return Ask(move);
  }
}

// Attempts end as EndedAttempts remembers them; within the scope it forgets none.
void World::OnStep(const Step& step) {
  if (step.lapsed) lapsed_.insert(step.lapsed_token);
  if (!step.ended_attempt.empty()) ended_.insert(step.ended_attempt);
  if (!step.former_attempt.empty()) turns_.emplace_back(step.former_attempt);
  if (step.granted) turns_.emplace_back();
}

// Of a call and its retry the call, unless the move says otherwise.
const RememberingCall* World::WhoGoes(const Move& move) const {
  const RememberingCall* going = nullptr;
  const bool retry = move.action == Action::kRetryGoing;
  if (!retry && move.action != Action::kProcessWhileGoing) return nullptr;
  for (const Pending& pending : pending_) {
    if (pending.acquire == nullptr || pending.left || pending.move.attempt != move.attempt)
      continue;
    if (going == nullptr || retry) going = pending.call;
  }
  return going;
}

void World::Process(const Move& move) {
  works_ = queued_;
  highest_before_ = highest_;
  stored_before_ = stored_;
  lapsed_.clear();
  turns_.clear();
  lease_until_before_ = lease_until_;
  commits_ = 0;
  const MonotonicTime now = harness_.clock.Monotonic();
  for (Pending& pending : pending_) {
    const bool ended = !pending.waits && pending.acquire != nullptr &&
                       ended_.contains(AttemptId(pending.move.attempt, scope_));
    pending.barred = pending.left || ended || (pending.waits && pending.gives_up <= now);
  }
  going_ = WhoGoes(move);
  if (move.action == Action::kProcessFailing) harness_.next_commit = storage::Fault::kFailAfter;
  harness_.Run();
  harness_.next_commit = storage::Fault::kNone;
  queued_ = ticks_ = 0;
  batch_.clear();
  Look();
  CheckAnswers();
  if (!harness_.failed()) {
    CheckBelievers();
    CheckQueue();
    CheckResult();
    CheckCounts();
  }
  deleting_ = false;
  for (std::size_t token = 1; token <= highest_; ++token) {
    tokens_[token].stopping = false;
    tokens_[token].ended = token != newest() || state() != State::HELD;
  }
  Forget();
}

// Calls that are finished are freed, as services free them.
void World::Forget() {
  std::erase_if(pending_, [&](Pending& pending) {
    pending.waits = true;
    pending.came_to_accept = false;
    if (pending.call->times_finished() == 0) return false;
    harness_.Delete(*pending.call);
    return true;
  });
}

// What is stored, and with it which tokens are no more.
void World::Look() {
  stored_ = harness_.Stored(kKey);
  if (stored_ && stored_->state() == State::ABSENT) stored_.reset();
  highest_ = harness_.memory.HighestToken();
}

void World::Crash() {
  pending_.clear();
  queued_ = ticks_ = 0;
  batch_.clear();
  deleting_ = false;
  ended_.clear();
  former_.clear();
  const std::string before = WhatDecides(stored_);
  server_.Restart(*this);
  Look();
  if (WhatDecides(stored_) != before) Violated("D1", "a crash lost what was committed");
  for (Token& token : tokens_) token.seen = token.stopping = false;
  if (stored_ && stored_->state() == State::HELD) {
    lease_until_ = harness_.clock.Monotonic() + Duration(stored_->promised_lease_nanos());
  }
  CheckBelievers();
  CheckResult();
}

std::string WhatDecides(const std::optional<storage::v1::Record>& stored) {
  if (!stored) return "";
  storage::v1::Record record = *stored;
  record.clear_audit();
  record.clear_late_outcomes();
  record.clear_late_outcome_count();
  record.clear_duplicate_effect_suspected();
  record.clear_created_at_nanos();
  record.clear_state_since_nanos();
  record.clear_doubt_since_nanos();
  record.clear_previous_holder_id();
  if (record.has_result()) {
    const std::string reference = record.result().provider_reference();
    record.mutable_result()->Clear();
    record.mutable_result()->set_provider_reference(reference);
  }
  record.set_attempt_number(std::min(record.attempt_number(), 2u));
  return record.SerializeAsString();
}

std::string World::Encode() {
  const MonotonicTime now = harness_.clock.Monotonic();
  std::string out;
  const auto add = [&](std::int64_t number) { out.push_back(static_cast<char>(number)); };
  const auto add_time = [&](MonotonicTime time) {
    add(std::clamp<std::int64_t>((time - now) / kTick, -3, 100));
  };
  out += WhatDecides(stored_);
  const bool held = state() == State::HELD;
  add(held ? (lease_until_ - now) / kTick : 0);
  const auto timer = harness_.partition().NextTimer();
  add(timer ? (*timer - now) / kTick : 100);
  add(static_cast<std::int64_t>(highest_));
  add(ticks_);
  add(queued_);
  add(harness_.failed() ? 1 : 0);
  for (const Token& token : tokens_) {
    add(token.attempt);
    add((token.told ? 1 : 0) + (token.seen ? 2 : 0) + (token.ended ? 4 : 0) +
        (token.may_act ? 8 : 0));
    add_time(std::max(token.believed_until, now));
  }
  for (std::size_t i = 0; i < kAttemptsMax; ++i) add(asked_lapse_[i] + (gone_[i] ? 4 : 0));
  for (const Move& move : batch_) {
    add(static_cast<int>(move.action));
    add(move.attempt);
    add(move.token);
    add(move.on_lapse);
  }
  // In the order of the queue.
  std::vector<const Pending*> in_order;
  in_order.reserve(pending_.size());
  for (const Pending& pending : pending_) in_order.push_back(&pending);
  std::ranges::sort(in_order, {}, [](const Pending* pending) {
    return std::pair(!pending->waits, pending->place);
  });
  for (const Pending* pending : in_order) {
    add(static_cast<int>(pending->move.action));
    add(pending->move.attempt);
    add(pending->move.token);
    add(pending->move.on_lapse);
    add((pending->waits ? 1 : 0) + (pending->left ? 2 : 0));
    add_time(pending->gives_up);
  }
  for (const std::string& attempt : ended_) out += attempt + ",";
  return out + "/" + former_ + "/" + result_;
}

}  // namespace latchkey::search
