#include "tools/simulation/facts.h"

#include <algorithm>

namespace latchkey::simulation {
namespace {

using Effect = v1::ReleaseRequest;
using OnLapse = v1::AcquireLockRequest;

bool MayEnd(const SeenCall& call, const SeenToken& token) {
  if (const auto* record = std::get_if<v1::RecordResultRequest>(&call.request)) {
    return record->fencing_token() == token.number;
  }
  if (const auto* force = std::get_if<v1::ForceReleaseRequest>(&call.request)) {
    return force->expected_fencing_token() == token.number;
  }
  if (const auto* release = std::get_if<v1::ReleaseRequest>(&call.request)) {
    if (release->fencing_token() != 0) return release->fencing_token() == token.number;
    return release->attempt_id() == token.attempt || token.attempt.empty();
  }
  return false;
}

bool MayForget(const SeenToken& token) {
  if (token.mode == v1::Grant::RECOVER) return false;
  if (token.on_lapse == OnLapse::FORGET) return true;
  return token.on_lapse == OnLapse::FORGET_UNLESS_STARTED && !token.marked;
}

// A newer token than this one may have been used by somebody who guessed it, so it counts as well.
bool MaySettle(const v1::ReleaseRequest& release, const SeenToken& token) {
  const bool executes = token.mode != v1::Grant::RECOVER;
  if (release.fencing_token() == 0) return executes && release.attempt_id() == token.attempt;
  if (release.fencing_token() < token.number) return false;
  if (release.effect() == Effect::RUN_NOT_EXECUTED) return true;
  if (release.fencing_token() > token.number) return true;
  if (release.effect() == Effect::UNKNOWN) return token.on_lapse == OnLapse::FORGET && executes;
  return executes;
}

bool MaySettle(const SeenCall& call, const SeenToken& token) {
  if (const auto* release = std::get_if<v1::ReleaseRequest>(&call.request)) {
    return MaySettle(*release, token);
  }
  if (const auto* resolve = std::get_if<v1::ResolveOutcomeRequest>(&call.request)) {
    return resolve->outcome() == v1::ResolveOutcomeRequest::NOT_EXECUTED;
  }
  return std::holds_alternative<v1::DeleteRecordRequest>(call.request);
}

}  // namespace

const SeenToken* SeenKey::Newest() const {
  for (auto token = tokens.rbegin(); token != tokens.rend(); ++token) {
    if (token->second.granted) return &token->second;
  }
  return nullptr;
}

const SeenToken* SeenKey::Before(std::uint64_t number) const {
  const SeenToken* before = nullptr;
  for (const auto& [other, token] : tokens) {
    if (other < number && token.granted) before = &token;
  }
  return before;
}

bool SeenKey::MayBeEnded(const SeenToken& token, Duration by) const {
  return std::ranges::any_of(enders, [&](const auto& call) {
    return call->MayHaveActed() && call->arrived <= by && MayEnd(*call, token);
  });
}

bool SeenKey::MayBeCompleted(const SeenToken& token, Duration by) const {
  if (MayBeEnded(token, by)) return true;
  return std::ranges::any_of(enders, [&](const auto& call) {
    return call->MayHaveActed() && call->arrived <= by &&
           std::holds_alternative<v1::ResolveOutcomeRequest>(call->request);
  });
}

bool SeenKey::MayBeSettled(const SeenToken& token, Duration by) const {
  if (MayForget(token)) return true;
  return std::ranges::any_of(enders, [&](const auto& call) {
    return call->MayHaveActed() && call->arrived <= by && MaySettle(*call, token);
  });
}

bool SeenKey::MayBeDeleted(Duration since, Duration by) const {
  return std::ranges::any_of(enders, [&](const auto& call) {
    return call->MayHaveActed() && call->arrived <= by && call->arrived >= since &&
           std::holds_alternative<v1::DeleteRecordRequest>(call->request);
  });
}

std::string NameOf(const std::string& name_space, const std::string& key) {
  return (name_space.empty() ? "default" : name_space) + "/" + key;
}

}  // namespace latchkey::simulation
