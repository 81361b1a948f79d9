#include "tools/simulation/checker.h"

#include <algorithm>
#include <array>
#include <utility>

#include "tools/simulation/words.h"

namespace latchkey::simulation {
namespace {

// Refusals that say nothing about the key: not now.
bool IsNotNow(const std::string& reason) {
  constexpr std::array kReasons = {"OVERLOADED", "SHUTTING_DOWN", "STORAGE_UNAVAILABLE", ""};
  return std::ranges::find(kReasons, reason) != kReasons.end();
}

// Whether a call that was refused for this may have changed the record all the same.
bool LeavesOpen(const std::string& reason) {
  return reason == "STORAGE_UNAVAILABLE" || reason.empty();
}

// Refusals that look at nothing but the request.
bool IsAboutRequest(const std::string& reason) {
  constexpr std::array kEnds = {"_REQUIRED", "_MALFORMED", "_TOO_LONG", "_OUT_OF_RANGE"};
  return std::ranges::any_of(kEnds, [&](const char* end) { return reason.ends_with(end); });
}

bool IsEnder(const Request& request) {
  return std::holds_alternative<v1::RecordResultRequest>(request) ||
         std::holds_alternative<v1::ReleaseRequest>(request) ||
         std::holds_alternative<v1::ResolveOutcomeRequest>(request) ||
         std::holds_alternative<v1::ForceReleaseRequest>(request) ||
         std::holds_alternative<v1::DeleteRecordRequest>(request);
}

}  // namespace

Checker::Checker(Scheduler& scheduler, Trace& trace, const ServerHost& server, RulesOf rules,
                 Report report, Believer believer)
    : scheduler_(scheduler),
      trace_(trace),
      server_(server),
      rules_(std::move(rules)),
      report_(std::move(report)),
      believer_(std::move(believer)) {}

void Checker::Violated(const std::string& invariant, const std::string& what) {
  trace_.Add(now(), "checker", "VIOLATED " + invariant + " " + what);
  report_(invariant, what);
}

std::string Checker::Since(std::uint64_t life, const char* invariant) const {
  return life == life_ ? invariant : "D1";
}

void Checker::OnServing() {
  ++life_;
  failed_at_.reset();
  CountAnew();
  least_lead_ = std::min(least_lead_, server_.wall_lead());
  most_lead_ = std::max(most_lead_, server_.wall_lead());
}

void Checker::OnServerDied() {
  counts_.unanswered += open_.size();
  open_.clear();
  for (auto& [name, key] : keys_) {
    key.acquires.clear();
    key.ended_attempts.clear();
  }
}

void Checker::OnArrived(std::uint64_t number, const Request& request) {
  auto call = std::make_shared<SeenCall>();
  call->number = number;
  call->request = request;
  call->key = std::visit([](const auto& asked) { return NameOf(asked.namespace_(), asked.key()); },
                         request);
  call->arrived = now();
  call->life = life_;
  call->highest_then = highest_told_;
  trace_.Add(now(), "arrived", std::to_string(number) + " " + InWords(request));
  open_.emplace(number, call);
  SeenKey& key = keys_[call->key];
  if (IsEnder(request)) {
    key.enders.push_back(call);
    key.carried.insert(TokenOf(request));
  }
  if (const auto* acquire = std::get_if<v1::AcquireLockRequest>(&request)) {
    NoteAcquire(*call, *acquire);
    key.acquires.push_back(call);
    if (!acquire->fingerprint().empty()) key.fingerprints.insert(acquire->fingerprint());
  }
  if (const auto* check = std::get_if<v1::CheckResultRequest>(&request)) {
    if (!check->fingerprint().empty()) key.fingerprints.insert(check->fingerprint());
  }
  key.reports_not_taken += std::holds_alternative<v1::RecordResultRequest>(request) ? 1 : 0;
  const auto* renew = std::get_if<v1::RenewLeaseRequest>(&request);
  if (renew != nullptr && renew->has_checkpoint()) key.checkpoints.push_back(call);
  if (renew != nullptr) key.carried.insert(renew->fencing_token());
}

void Checker::OnGone(std::uint64_t number, bool cut_off) {
  const auto found = open_.find(number);
  if (found == open_.end()) return;
  SeenCall& call = *found->second;
  if (cut_off && !call.cut_off.has_value()) call.cut_off = now();
  if (call.gone.has_value()) return;
  call.gone = ++events_;
  trace_.Add(now(), "gone", std::to_string(number));
}

void Checker::OnAnswered(std::uint64_t number, const Response& response) {
  const auto found = open_.find(number);
  if (found == open_.end()) return;
  const auto call = found->second;
  open_.erase(found);
  ++counts_.answered;
  trace_.Add(now(), "answered", std::to_string(number) + " " + InWords(response));
  const auto* refused = std::get_if<RefusedWith>(&response);
  const bool not_now = refused != nullptr && IsNotNow(refused->reason);
  counts_.acknowledged += not_now ? 0 : 1;
  counts_.unanswered += not_now ? 1 : 0;
  if (refused == nullptr) {
    call->end = SeenCall::End::kAnswered;
  } else if (!LeavesOpen(refused->reason)) {
    call->end = SeenCall::End::kRefused;
  }
  const bool looked = !not_now && (refused == nullptr || !IsAboutRequest(refused->reason));
  if (failed_at_.has_value() && call->arrived > *failed_at_ && looked) {
    Violated("D4", "call " + std::to_string(number) + " on " + call->key +
                       " came after the store had failed, and was answered");
  }
  std::visit([&](const auto& request) { Judge(*call, request, response); }, call->request);
  if (refused != nullptr) JudgeRefusal(*call, *refused);
}

void Checker::JudgeRefusal(const SeenCall& call, const RefusedWith& refused) {
  counts_.stale += refused.reason == "STALE_FENCING_TOKEN" ? 1 : 0;
  counts_.fingerprints += refused.reason == "FINGERPRINT_MISMATCH" ? 1 : 0;
  counts_.ended_attempts += refused.reason == "ATTEMPT_ENDED" ? 1 : 0;
  counts_.expired_keys += refused.reason == "KEY_EXPIRED" ? 1 : 0;
  if (refused.reason != "FINGERPRINT_MISMATCH") return;
  const SeenKey& key = keys_[call.key];
  if (key.fingerprints.size() < 2) {
    Violated("I4", "a fingerprint was refused on " + call.key + ", which has seen no other");
  }
  if (!key.completion.has_value()) return;
  const std::string& reference = key.completion->result.provider_reference();
  if (!reference.empty() && refused.status.find(reference) != std::string::npos) {
    Violated("I4", "the refusal of another fingerprint shows the result of " + call.key);
  }
}

void Checker::Judge(SeenCall& call, const v1::AcquireLockRequest& request,
                    const Response& response) {
  const auto* reply = std::get_if<v1::AcquireLockResponse>(&response);
  if (reply == nullptr) return;
  JudgeFingerprint(call, request.fingerprint());
  if (reply->has_grant()) return OnGrant(call, request, *reply);
  if (reply->has_completed()) {
    OnSeen(call, v1::CheckResultResponse::COMPLETED, nullptr);
    return OnResult(call, reply->completed().result());
  }
  const auto& contention = reply->contention();
  JudgePatience(call, WaitOf(request));
  JudgeOrder(call, call.arrived + server_.clock().Span(WaitOf(request)));
  OnSeen(call,
         contention.in_doubt() ? v1::CheckResultResponse::IN_DOUBT : v1::CheckResultResponse::HELD,
         &contention.holder_id());
}

void Checker::Judge(SeenCall& call, const v1::CheckResultRequest& request,
                    const Response& response) {
  const auto* reply = std::get_if<v1::CheckResultResponse>(&response);
  if (reply == nullptr) return;
  JudgeFingerprint(call, request.fingerprint());
  if (reply->state() != v1::CheckResultResponse::COMPLETED) {
    JudgePatience(call, SpanOf(request.wait_timeout()));
  }
  OnSeen(call, reply->state(), &reply->holder_id());
  if (reply->has_result()) OnResult(call, reply->result());
}

void Checker::Judge(SeenCall& call, const v1::GetRecordRequest&, const Response& response) {
  const auto* reply = std::get_if<v1::GetRecordResponse>(&response);
  if (reply == nullptr) return;
  OnSeen(call, reply->record().state(), &reply->record().holder_id());
  if (reply->record().has_result()) OnResult(call, reply->record().result());
}

void Checker::Judge(SeenCall& call, const v1::ResolveOutcomeRequest&, const Response& response) {
  const auto* reply = std::get_if<v1::ResolveOutcomeResponse>(&response);
  if (reply != nullptr && reply->record().has_result()) OnResult(call, reply->record().result());
}

void Checker::Judge(SeenCall&, const v1::ForceReleaseRequest&, const Response&) {}

void Checker::Judge(SeenCall& call, const v1::DeleteRecordRequest&, const Response& response) {
  if (std::holds_alternative<v1::DeleteRecordResponse>(response)) KeyOf(call).completion.reset();
}

}  // namespace latchkey::simulation
