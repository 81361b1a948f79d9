// Grants: whose they are, which tokens they have, and whether they may be. Part of checker.h.

#include <algorithm>

#include "server/machine/proto_time.h"
#include "tools/simulation/checker.h"
#include "tools/simulation/words.h"

namespace latchkey::simulation {
namespace {

std::string Named(std::uint64_t token) { return "token " + std::to_string(token); }

}  // namespace

void Checker::OnGrant(SeenCall& call, const v1::AcquireLockRequest& request,
                      const v1::AcquireLockResponse& response) {
  const v1::Grant& grant = response.grant();
  const std::uint64_t number = grant.fencing_token();
  SeenKey& key = KeyOf(call);
  const Owner owner{call.key, request.attempt_id(), request.holder_id()};
  const Owner& known = owners_.try_emplace(number, owner).first->second;
  if (known.key != owner.key || known.attempt != owner.attempt || known.holder != owner.holder) {
    return Violated("L3", Named(number) + " of " + call.key + " has two owners");
  }
  SeenToken& token = key.tokens[number];
  token.number = number;
  token.attempt = owner.attempt;
  token.holder = owner.holder;
  token.on_lapse = request.on_lapse();
  token.lease = SpanOf(request.lease_duration());
  token.promised = std::max(token.promised, token.lease);
  if (grant.replayed()) {
    OnReplay(call, grant, token);
  } else {
    token.begun = Told(call, response.server_elapsed(), grant.lease_remaining()) -
                  server_.clock().Span(token.lease);
    OnFreshGrant(call, request, grant, token);
  }
  if (token.told == Duration::max()) {
    token.told = now();
    token.life = life_;
  }
  highest_told_ = std::max(highest_told_, number);
  // With nothing left it is none, and whoever hears of it cannot take it for one.
  if (SpanOf(grant.lease_remaining()) > Duration::zero()) {
    Extend(key, token, Told(call, response.server_elapsed(), grant.lease_remaining()));
  }
  for (auto& [other, older] : key.tokens) {
    if (other < number) Kill(older, Named(number) + " was granted");
  }
}

void Checker::OnReplay(const SeenCall& call, const v1::Grant& grant, const SeenToken& token) {
  ++counts_.replays;
  if (token.dead_since.has_value() && *token.dead_since < call.arrived) {
    Violated("L6",
             Named(token.number) + " of " + call.key + " is granted again after " + token.dead_by);
  }
  if (token.granted && token.mode == v1::Grant::RECOVER && grant.mode() != v1::Grant::RECOVER) {
    Violated("I5", "a repetition of " + Named(token.number) + " is told to execute");
  }
}

void Checker::OnFreshGrant(SeenCall& call, const v1::AcquireLockRequest& request,
                           const v1::Grant& grant, SeenToken& token) {
  SeenKey& key = KeyOf(call);
  if (token.granted) return Violated("L3", Named(token.number) + " was granted twice");
  if (token.number <= call.highest_then) {
    Violated("L2", Named(token.number) + " on " + call.key +
                       " was granted to a call that came after " + Named(call.highest_then) +
                       " was known");
  }
  ++counts_.grants;
  counts_.recoveries += grant.mode() == v1::Grant::RECOVER ? 1 : 0;
  counts_.handed_over += token.begun > call.arrived + std::chrono::milliseconds(20) ? 1 : 0;
  if (token.begun + std::chrono::microseconds(1) < call.arrived) {
    Violated("L4", Named(token.number) + " is promised less than was asked for");
  }
  token.mode = grant.mode();
  token.call = std::make_shared<SeenCall>(call);
  if (grant.mode() == v1::Grant::EXECUTE && grant.attempt_number() != 1) {
    Violated("I5", Named(token.number) + " executes, and is not the first of its run");
  }
  if (grant.mode() == v1::Grant::RECOVER && !request.accept_recover()) {
    Violated("I5", Named(token.number) + " recovers for a caller that does not");
  }
  if (key.downstream_key.empty()) key.downstream_key = grant.downstream_idempotency_key();
  if (key.downstream_key != grant.downstream_idempotency_key()) {
    Violated("I5", Named(token.number) + " of " + call.key + " has another downstream key");
  }
  JudgeEnded(call, request.attempt_id());
  if (grant.mode() == v1::Grant::EXECUTE) JudgeLateComer(call, request);
  JudgeRun(key, token, call);
  JudgeCheckpoint(key, token, grant);
  if (const std::uint64_t older = believer_(call.key, token.number)) {
    const auto held = key.tokens.find(older);
    const bool ended = held != key.tokens.end() && key.MayBeEnded(held->second, now());
    if (!ended) {
      Violated("L5", Named(token.number) + " of " + call.key + " is granted while the holder of " +
                         Named(older) + " believes in its lease");
    }
  }
  token.granted = true;
  token.starts_anew = grant.mode() == v1::Grant::EXECUTE && key.completion.has_value();
  JudgeOrder(call, token.begun);
  // Of a reply that was long on its way the run may be over, and the next one known.
  const bool newest = key.tokens.rbegin()->first == token.number;
  if (grant.mode() == v1::Grant::EXECUTE && newest) {
    key.run_fingerprint.clear();
    key.checkpoints.clear();
    key.completion.reset();
  }
  if (key.run_fingerprint.empty() && !request.fingerprint().empty()) {
    key.run_fingerprint = request.fingerprint();
    key.run_fingerprint_told = now();
  }
}

// A key that may have been completed and forgotten is not taken for new.
void Checker::JudgeLateComer(const SeenCall& call, const v1::AcquireLockRequest& request) {
  if (!request.has_first_sent_at()) return;
  // The retention clock began with the run, and never goes back.
  const WallTime horizon = ServerHost::wall_at_zero() - rules_(call.key).key_retention;
  if (*FromProto(request.first_sent_at()) > horizon) return;
  Violated("I6", "call " + std::to_string(call.number) + " on " + call.key +
                     " came after the key may have been forgotten, and was taken for new");
}

// A run may only begin where the one before has come to its end.
void Checker::JudgeRun(const SeenKey& key, const SeenToken& token, const SeenCall& call) {
  if (token.mode != v1::Grant::EXECUTE) return;
  const Checker::Rules rules = rules_(call.key);
  if (key.completion.has_value() && !key.CompletedSince(token.number)) {
    const bool gone = key.MayBeDeleted(Duration::zero(), now()) ||
                      MayBeForgotten(key, rules.key_retention + rules.slack);
    if (!gone) {
      Violated(Since(key.completion->life, "I5"),
               Named(token.number) + " executes on " + call.key + ", which was completed");
    }
    return;
  }
  const SeenToken* const before = key.Before(token.number);
  if (before == nullptr || key.MayBeSettled(*before, now())) return;
  // It may have been completed and forgotten, without anybody's knowing.
  const bool recorded =
      key.MayBeCompleted(*before, now()) && MayBeForgotten(key, rules.key_retention);
  if (recorded) return;
  Violated(Since(before->life, "I5"), Named(token.number) + " begins a run on " + call.key +
                                          ", although that of " + Named(before->number) +
                                          " has not ended");
}

// Whether some grant from one to the other may have been the last of its run.
bool Checker::OfAnEarlierRun(const SeenKey& key, std::uint64_t token, std::uint64_t before) const {
  return std::ranges::any_of(key.tokens, [&](const auto& seen) {
    return seen.first >= token && seen.first <= before && key.MayBeSettled(seen.second, now());
  });
}

// Who recovers is given the last checkpoint that was acknowledged, or a later one.
void Checker::JudgeCheckpoint(const SeenKey& key, const SeenToken& token, const v1::Grant& grant) {
  const SeenToken* const before = key.Before(token.number);
  if (token.mode != v1::Grant::RECOVER || before == nullptr) return;
  if (key.MayBeSettled(*before, now()) || key.checkpoints.empty()) return;
  bool possible = false;
  for (auto call = key.checkpoints.rbegin(); call != key.checkpoints.rend(); ++call) {
    if (!(*call)->MayHaveActed()) continue;
    const auto& request = std::get<v1::RenewLeaseRequest>((*call)->request);
    if (OfAnEarlierRun(key, request.fencing_token(), before->number)) break;
    possible = possible || request.checkpoint() == grant.checkpoint();
    if ((*call)->end != SeenCall::End::kAnswered) continue;
    // Those that came before may have been decided later only if they are open.
    const bool only_one = std::ranges::none_of(key.checkpoints, [&](const auto& other) {
      return other != *call && other->end == SeenCall::End::kOpen;
    });
    if (!possible && only_one) {
      Violated(Since((*call)->life, "D1"),
               Named(token.number) + " is not given the checkpoint that was saved");
    }
    return;
  }
}

}  // namespace latchkey::simulation
