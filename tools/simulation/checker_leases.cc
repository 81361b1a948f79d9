// Leases: L1, L4, L6, L7. Part of checker.h.

#include <algorithm>
#include <array>

#include "tools/simulation/checker.h"
#include "tools/simulation/words.h"

namespace latchkey::simulation {
namespace {

// Of clocks on the way.
constexpr Duration kRounding = std::chrono::microseconds(1);

std::string Named(std::uint64_t token) { return "token " + std::to_string(token); }

// Refusals of a renewal that say that the lease is over.
bool SaysOver(const std::string& reason) {
  constexpr std::array kReasons = {"STALE_FENCING_TOKEN", "LEASE_EXPIRED", "ALREADY_COMPLETED",
                                   "KEY_UNKNOWN"};
  return std::ranges::find(kReasons, reason) != kReasons.end();
}

}  // namespace

// Until when a holder was told that it has the lease: counted as the client library counts.
Duration Checker::Told(const SeenCall& call, const google::protobuf::Duration& elapsed,
                       const google::protobuf::Duration& remaining) const {
  return call.arrived + server_.clock().Span(SpanOf(elapsed) + SpanOf(remaining));
}

void Checker::Extend(SeenKey& key, SeenToken& token, Duration until) {
  token.live_until = std::max(token.live_until, until);
  token.stalled = false;
  JudgeAlone(key);
}

// No two leases of a key live at one time, by what their holders were told.
void Checker::JudgeAlone(SeenKey& key) {
  const SeenToken* before = nullptr;
  for (const auto& [number, token] : key.tokens) {
    if (!token.granted) continue;
    if (before != nullptr && before->live_until > token.begun + kRounding &&
        !key.MayBeEnded(*before, token.begun + kRounding)) {
      Violated("L1", Named(number) + " of " + token.call->key + " was granted " +
                         std::to_string((before->live_until - token.begun).count()) +
                         " ns before the lease of " + Named(before->number) + " is over");
    }
    before = &token;
  }
}

// From the first moment of serving a lease lasts for what was promised, by the clock that there is
// now: it may run faster than the one that the holder was told by (rule 11).
void Checker::CountAnew() {
  for (auto& [name, key] : keys_) {
    for (auto& [number, token] : key.tokens) {
      token.live_until = std::min(token.live_until, now() + server_.clock().Span(token.promised));
    }
  }
}

// Leases that nobody could renew meanwhile are extended by that time (rule 11).
void Checker::OnStalled(Duration from, Duration until) {
  trace_.Add(now(), "checker", "the server stood still");
  for (auto& [name, key] : keys_) {
    for (auto& [number, token] : key.tokens) {
      if (token.live_until <= from || token.stalled || !token.granted || token.dead_since) continue;
      token.live_until += std::min(until - from, server_.clock().Span(token.lease));
      token.stalled = true;
    }
  }
}

void Checker::Kill(SeenToken& token, const std::string& how) {
  if (token.dead_since.has_value()) return;
  token.dead_since = now();
  token.dead_by = how;
}

// Somebody was told that the lease is over.
void Checker::JudgeOver(SeenKey& key, std::uint64_t fencing_token, const std::string& how) {
  const auto found = key.tokens.find(fencing_token);
  if (found == key.tokens.end()) return;
  SeenToken& token = found->second;
  if (token.live_until > now() + kRounding && !key.MayBeEnded(token, now())) {
    Violated(Since(token.life, "L4"), Named(fencing_token) + " has lost its lease " +
                                          std::to_string((token.live_until - now()).count()) +
                                          " ns early: " + how);
  }
  Kill(token, how);
}

// It acts as if the lease were alive.
void Checker::JudgeAlive(const SeenCall& call, const SeenToken& token, const char* invariant) {
  if (!token.dead_since.has_value() || *token.dead_since >= call.arrived) return;
  Violated(invariant, "call " + std::to_string(call.number) + " acted by " + Named(token.number) +
                          " on " + call.key + ", which was over: " + token.dead_by);
}

void Checker::OnLeaseLost(const v1::SessionResponse::LeaseLost& lost) {
  ++counts_.lost_leases;
  trace_.Add(now(), "lost", lost.key() + " " + Named(lost.fencing_token()));
  JudgeOver(keys_[NameOf(lost.namespace_(), lost.key())], lost.fencing_token(),
            "the holder was told so");
}

void Checker::Judge(SeenCall& call, const v1::RenewLeaseRequest& request,
                    const Response& response) {
  SeenKey& key = KeyOf(call);
  const auto* reply = std::get_if<v1::RenewLeaseResponse>(&response);
  if (reply == nullptr) {
    const std::string& reason = std::get<RefusedWith>(response).reason;
    // One that guessed the token may have come before its grant.
    const auto named = key.tokens.find(request.fencing_token());
    const bool guessed = named != key.tokens.end() && named->second.told >= call.arrived;
    if (SaysOver(reason) && !guessed)
      JudgeOver(key, request.fencing_token(), "a renewal got " + reason);
    return;
  }
  ++counts_.renewals;
  SeenToken& token = key.tokens[request.fencing_token()];
  token.number = request.fencing_token();
  JudgeAlive(call, token, "L6");
  const Duration asked =
      request.has_lease_duration() ? SpanOf(request.lease_duration()) : token.lease;
  const Duration told = SpanOf(reply->server_elapsed()) + SpanOf(reply->lease_remaining());
  if (told + kRounding < asked) {
    Violated("L4", "a renewal by " + Named(token.number) + " is promised less than was asked for");
  }
  token.marked = token.marked || request.effect_started();
  token.promised = std::max(token.promised, asked);
  // As with a grant, nothing left is no lease.
  if (SpanOf(reply->lease_remaining()) > Duration::zero()) {
    Extend(key, token, Told(call, reply->server_elapsed(), reply->lease_remaining()));
  }
}

void Checker::Judge(SeenCall& call, const v1::ReleaseRequest& request, const Response& response) {
  const auto* reply = std::get_if<v1::ReleaseResponse>(&response);
  const std::uint64_t number = request.fencing_token();
  if (reply == nullptr || number == 0) return;
  SeenKey& key = KeyOf(call);
  const SeenToken* const newest = key.Newest();
  const bool stale = newest != nullptr && newest->number > number && newest->told < call.arrived;
  if (stale && reply->state() != v1::CheckResultResponse::ABSENT) {
    Violated("L7", "call " + std::to_string(call.number) + " released " + call.key + " by " +
                       Named(number) + "; the newest is " + std::to_string(newest->number));
  }
  if (reply->state() == v1::CheckResultResponse::HELD) {
    Violated("L7", "a release by " + Named(number) + " has left " + call.key + " held");
  }
  const auto found = key.tokens.find(number);
  if (found == key.tokens.end()) return;
  NoteEnded(call, request, *reply);
  Kill(found->second, "it was released");
}

}  // namespace latchkey::simulation
