// What a key is seen to be, and results: I1, I2, I3, I4, I6, D1. Part of checker.h.

#include <algorithm>

#include "tools/simulation/checker.h"
#include "tools/simulation/words.h"

namespace latchkey::simulation {
namespace {

using State = v1::CheckResultResponse;

// From one look at the wall clock to the next, and from one save of the retention clock to the
// next.
constexpr Duration kLooks = std::chrono::seconds(12);

bool SameResult(const v1::Result& a, const v1::Result& b) {
  const bool both_show = !a.payload().empty() && !b.payload().empty();
  return a.outcome() == b.outcome() && a.code() == b.code() &&
         a.provider_reference() == b.provider_reference() &&
         a.fencing_token() == b.fencing_token() && a.payload_digest() == b.payload_digest() &&
         (!both_show || a.payload() == b.payload());
}

// Whether this call is where the result may have come from.
bool MayBeSource(const SeenCall& call, const v1::Result& result) {
  const auto same = [&](const auto& report) {
    return report.code() == result.code() &&
           report.provider_reference() == result.provider_reference() &&
           (result.payload().empty() || report.payload() == result.payload());
  };
  if (const auto* record = std::get_if<v1::RecordResultRequest>(&call.request)) {
    return record->fencing_token() == result.fencing_token() &&
           record->outcome() == result.outcome() && same(*record);
  }
  const auto* resolve = std::get_if<v1::ResolveOutcomeRequest>(&call.request);
  return resolve != nullptr && same(*resolve);
}

}  // namespace

// Whether so much may have passed on the retention clock since the result was first seen.
bool Checker::MayBeForgotten(const SeenKey& key, Duration retention) const {
  const Duration since = key.completion.has_value() ? key.completion->told : Duration::zero();
  const Duration steps =
      std::max(most_lead_, server_.wall_lead()) - std::min(least_lead_, server_.wall_lead());
  return now() - since + steps + server_.time_down() + kLooks >= retention;
}

void Checker::OnSeen(const SeenCall& call, State::State state, const std::string* holder) {
  SeenKey& key = KeyOf(call);
  const Duration retention = rules_(call.key).key_retention;
  const SeenToken* const newest = key.Newest();
  const std::string what = call.key + " is " + State::State_Name(state);
  if (key.completion.has_value() && key.completion->told < call.arrived &&
      state != State::COMPLETED && !key.MayBeDeleted(Duration::zero(), now()) &&
      !MayBeForgotten(key, retention)) {
    Violated(Since(key.completion->life, "I6"), what + ", although it was completed");
  }
  if (newest == nullptr || newest->told >= call.arrived) return;
  const bool lives =
      newest->live_until > now() + std::chrono::microseconds(1) && !key.MayBeEnded(*newest, now());
  if (lives && state == State::HELD && holder != nullptr && *holder != newest->holder) {
    Violated("I1", what + " by " + *holder + " while the lease of " + newest->holder + " lives");
  } else if (lives && state != State::HELD) {
    const char* const invariant = state == State::COMPLETED ? "I3" : "L4";
    Violated(Since(newest->life, invariant),
             what + " while the lease of token " + std::to_string(newest->number) + " lives");
  }
  // By it, or by one of whose grant nobody has heard.
  const bool completed = key.MayBeCompleted(*newest, now()) || key.CompletedSince(newest->number);
  if (state == State::ABSENT && !key.MayBeSettled(*newest, now()) &&
      !(completed && MayBeForgotten(key, retention))) {
    Violated(Since(newest->life, "I6"), what + ", although the run of token " +
                                            std::to_string(newest->number) + " has not ended");
  }
  if (state == State::HELD) return;
  for (auto& [number, token] : key.tokens) {
    if (token.granted && token.told < call.arrived) Kill(token, "the key was seen without it");
  }
}

void Checker::OnResult(const SeenCall& call, const v1::Result& result) {
  SeenKey& key = KeyOf(call);
  const bool sourced = std::ranges::any_of(
      key.enders, [&](const auto& ender) { return MayBeSource(*ender, result); });
  if (!sourced) {
    Violated("I3", call.key + " is completed with what token " +
                       std::to_string(result.fencing_token()) + " did not record");
  }
  const SeenToken* const newest = key.Newest();
  // What was decided before a newer grant may leave after it.
  if (newest != nullptr && result.fencing_token() < newest->number) {
    if (newest->told >= call.arrived) return;
    Violated("I3", call.key + " is completed by token " + std::to_string(result.fencing_token()) +
                       "; the newest is " + std::to_string(newest->number));
  }
  if (result.body_expired() && !MayBeForgotten(key, rules_(call.key).payload_retention)) {
    Violated("I6", "the payload of " + call.key + " expired early");
  }
  if (!key.completion.has_value()) {
    key.completion = SeenKey::Completion{result, now(), life_};
    return;
  }
  if (key.completion->told >= call.arrived) return;
  if (!SameResult(key.completion->result, result) && !key.MayBeDeleted(Duration::zero(), now()) &&
      !MayBeForgotten(key, rules_(call.key).key_retention)) {
    Violated(Since(key.completion->life, "I2"), "the result of " + call.key + " has changed");
  }
  if (key.completion->result.payload().empty()) key.completion->result = result;
}

void Checker::Judge(SeenCall& call, const v1::RecordResultRequest& request,
                    const Response& response) {
  SeenKey& key = KeyOf(call);
  const auto* reply = std::get_if<v1::RecordResultResponse>(&response);
  if (reply == nullptr) {
    const std::string& reason = std::get<RefusedWith>(response).reason;
    const bool may_be_kept = reason == "STALE_FENCING_TOKEN" || reason == "RESULT_CONFLICT" ||
                             reason == "STORAGE_UNAVAILABLE";
    if (!may_be_kept) --key.reports_not_taken;
    if (reason == "STALE_FENCING_TOKEN") {
      JudgeOver(key, request.fencing_token(), "its result was refused");
      // One that was never given says nothing.
      if (request.fencing_token() <= call.highest_then) key.stale_reports.push_back(request);
    }
    return;
  }
  --key.reports_not_taken;
  ++counts_.recorded;
  counts_.late_results += reply->late() ? 1 : 0;
  const SeenToken* const newest = key.Newest();
  if (newest != nullptr && newest->number > request.fencing_token() &&
      newest->told < call.arrived) {
    Violated("I3", "a result by token " + std::to_string(request.fencing_token()) + " of " +
                       call.key + " was recorded; the newest is " + std::to_string(newest->number));
  }
  const bool as_sent = reply->result().fencing_token() == request.fencing_token() &&
                       reply->result().outcome() == request.outcome() &&
                       reply->result().code() == request.code() &&
                       reply->result().provider_reference() == request.provider_reference();
  if (!as_sent) Violated("I2", "what was recorded on " + call.key + " is not what was sent");
  OnResult(call, reply->result());
  const auto token = key.tokens.find(request.fencing_token());
  if (token != key.tokens.end()) Kill(token->second, "it has recorded");
}

// Another fingerprint than that of the run is refused, whatever the state.
void Checker::JudgeFingerprint(const SeenCall& call, const std::string& fingerprint) {
  const SeenKey& key = KeyOf(call);
  if (fingerprint.empty() || key.run_fingerprint.empty() || fingerprint == key.run_fingerprint ||
      key.run_fingerprint_told >= call.arrived) {
    return;
  }
  const SeenToken* const newest = key.Newest();
  if (key.MayBeSettled(*newest, now()) || MayBeForgotten(key, rules_(call.key).key_retention)) {
    return;
  }
  Violated("I4", "call " + std::to_string(call.number) + " on " + call.key +
                     " has another fingerprint, and was answered");
}

// Nothing is open any more; and a report that came too late was refused, and kept.
void Checker::JudgeEnd(Disk& disk) {
  for (const auto& [number, call] : open_) {
    if (!call->cut_off.has_value()) {
      Violated("L10",
               "call " + std::to_string(number) + " on " + call->key + " was never answered");
    }
  }
  for (const storage::Scanned& scanned : disk.All()) {
    const auto parts = storage::SplitStoreKey(scanned.store_key);
    const std::string name = NameOf(std::string(parts.name_space), std::string(parts.key));
    if (!scanned.loaded.record.has_value()) {
      Violated("S3", name + " cannot be decoded");
      continue;
    }
    const storage::Record& record = *scanned.loaded.record;
    if (record.state() == State::HELD) Violated("L10", name + " is still held");
    SeenKey& key = keys_[name];
    // More than that are counted, and not all are kept.
    if (key.reports_not_taken > 4 || MayBeForgotten(key, rules_(name).key_retention)) continue;
    for (const auto& report : key.stale_reports) {
      const auto same = [&](const auto& kept) {
        return kept.fencing_token() == report.fencing_token();
      };
      if (std::ranges::any_of(record.late_outcomes(), same) ||
          std::ranges::any_of(record.audit(), same)) {
        continue;
      }
      Violated("I3", "what token " + std::to_string(report.fencing_token()) + " reported of " +
                         name + " was not kept");
    }
  }
}

}  // namespace latchkey::simulation
