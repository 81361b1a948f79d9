// Waiting: L8, L9. Part of checker.h.

#include <algorithm>

#include "storage/store_key.h"
#include "tools/simulation/checker.h"
#include "tools/simulation/words.h"

namespace latchkey::simulation {
namespace {

// Some rounds of the partition's.
constexpr Duration kTakenBack = std::chrono::milliseconds(500);
// For how long at least an ended attempt is remembered; a little less, for a clock that runs fast.
constexpr Duration kEndedMemory = std::chrono::seconds(59);

}  // namespace

// A call that repeats one that waits takes its place.
void Checker::NoteAcquire(SeenCall& call, const v1::AcquireLockRequest& request) {
  call.place = call.first_place = ++events_;
  for (const auto& earlier : keys_[call.key].acquires) {
    const auto& first = std::get<v1::AcquireLockRequest>(earlier->request);
    const bool repeats =
        first.attempt_id() == request.attempt_id() && first.holder_id() == request.holder_id();
    if (repeats) call.first_place = std::min(call.first_place, earlier->first_place);
  }
}

// `waiter` waited until then: nobody who came later may have been granted the key before. A result
// that was kept back for want of room is read again in its turn, and may be deleted or forgotten by
// then.
void Checker::JudgeOrder(const SeenCall& waiter, Duration until) {
  const auto& request = std::get<v1::AcquireLockRequest>(waiter.request);
  if (WaitOf(request) == Duration::zero() || waiter.gone.has_value()) return;
  const SeenKey& key = keys_[waiter.key];
  for (const auto& [number, token] : key.tokens) {
    if (!token.granted || token.call->life != waiter.life) continue;
    const bool came_later = token.call->first_place > waiter.place;
    const bool was_first = token.begun + std::chrono::microseconds(1) < until;
    const bool passed_over = token.mode == v1::Grant::RECOVER && !request.accept_recover();
    const bool may_start_anew = token.starts_anew || key.MayBeDeleted(waiter.arrived, token.begun);
    if (!came_later || !was_first || passed_over || may_start_anew) continue;
    Violated("L8", "token " + std::to_string(number) + " of " + waiter.key +
                       " was granted to a call that came after call " +
                       std::to_string(waiter.number) + ", which was waiting");
  }
}

// Who waits is told that it was in vain when the time is up, and not before.
void Checker::JudgePatience(const SeenCall& waiter, Duration wait) {
  if (wait == Duration::zero()) return;
  const Duration early = waiter.arrived + server_.clock().Span(wait) - now();
  if (early <= std::chrono::microseconds(1)) return;
  Violated("L8", "call " + std::to_string(waiter.number) + " on " + waiter.key + " was sent away " +
                     std::to_string(early.count()) + " ns before its time was up");
}

// What was written is a grant: somebody must have been there to be granted it.
void Checker::JudgeGone(SeenKey& key, const storage::Record& record) {
  bool known = false;
  for (const auto& call : key.acquires) {
    const auto& request = std::get<v1::AcquireLockRequest>(call->request);
    if (request.attempt_id() != record.attempt_id()) continue;
    if (call->end != SeenCall::End::kOpen) continue;
    known = true;
    if (!call->gone.has_value() || *call->gone > step_began_) return;
  }
  if (!known) return;
  Violated("L9", "token " + std::to_string(record.fencing_token()) +
                     " was granted to an attempt whose calls were all gone");
}

void Checker::OnWritten(const std::string& store_key, const storage::Record* record) {
  const auto parts = storage::SplitStoreKey(store_key);
  const std::string name = NameOf(std::string(parts.name_space), std::string(parts.key));
  SeenKey& key = keys_[name];
  if (record == nullptr || record->state() != v1::CheckResultResponse::HELD) {
    key.written_token = 0;
    held_.erase(name);
    if (record == nullptr) key.run_fingerprint.clear();
    trace_.Add(now(), "written",
               name + " " +
                   (record == nullptr ? std::string("nothing")
                                      : v1::CheckResultResponse::State_Name(record->state())));
    return;
  }
  trace_.Add(now(), "written", name + " HELD token " + std::to_string(record->fencing_token()));
  if (std::exchange(key.written_token, record->fencing_token()) == record->fencing_token()) return;
  // A run begins, by a grant that perhaps nobody sees.
  if (record->attempt_number() == 1) key.run_fingerprint.clear();
  key.written_attempt = record->attempt_id();
  key.written_at = now();
  key.written_life = life_;
  held_.insert(name);
  JudgeGone(key, *record);
}

void Checker::OnStepEnds() {
  if (failed_at_.has_value()) return;  // nothing is decided any more
  for (const std::string& name : held_) JudgeUnsent(name, keys_[name]);
}

// A grant that nobody was told of, nor can be, is taken back at once.
void Checker::JudgeUnsent(const std::string& name, SeenKey& key) {
  const auto seen = key.tokens.find(key.written_token);
  const bool told = seen != key.tokens.end() && seen->second.told != Duration::max();
  if (told || key.carried.contains(key.written_token) || key.written_life != life_) return;
  Duration since = key.written_at;
  bool known = false;
  for (const auto& call : key.acquires) {
    const auto& request = std::get<v1::AcquireLockRequest>(call->request);
    if (request.attempt_id() != key.written_attempt || call->end != SeenCall::End::kOpen) continue;
    if (!call->cut_off.has_value()) return;
    known = true;
    since = std::max(since, *call->cut_off);
  }
  if (!known || now() - since < kTakenBack) return;
  Violated("L9", "token " + std::to_string(key.written_token) + " of " + name +
                     " was not taken back, although nobody can be told of it");
  key.written_life = 0;
}

// An attempt that was ended by its caller is not granted anything any more: a late duplicate would
// hold the key for nobody.
void Checker::NoteEnded(const SeenCall& call, const v1::ReleaseRequest& request,
                        const v1::ReleaseResponse& response) {
  SeenKey& key = KeyOf(call);
  const SeenToken& token = key.tokens[request.fencing_token()];
  const bool forgets = token.on_lapse == v1::AcquireLockRequest::FORGET ||
                       token.on_lapse == v1::AcquireLockRequest::FORGET_UNLESS_STARTED;
  const bool explicitly = request.effect() != v1::ReleaseRequest::EFFECT_UNSPECIFIED;
  const bool settled = std::ranges::any_of(key.enders, [](const auto& ender) {
    return std::holds_alternative<v1::ResolveOutcomeRequest>(ender->request) ||
           std::holds_alternative<v1::ForceReleaseRequest>(ender->request) ||
           std::holds_alternative<v1::DeleteRecordRequest>(ender->request);
  });
  // Otherwise its lease may have ended before, and with it nobody's attempt.
  if (!token.granted || forgets || !explicitly || settled || token.life != life_) return;
  if (response.state() == v1::CheckResultResponse::COMPLETED) return;
  // A run that is long over, and may be forgotten.
  if (key.CompletedSince(token.number) || key.tokens.rbegin()->first > token.number) return;
  key.ended_attempts.emplace(token.attempt, now());
}

void Checker::JudgeEnded(const SeenCall& call, const std::string& attempt) {
  const SeenKey& key = KeyOf(call);
  const auto ended = key.ended_attempts.find(attempt);
  if (ended == key.ended_attempts.end() || ended->second >= call.arrived) return;
  if (now() - ended->second > kEndedMemory) return;
  Violated("L9", "attempt " + attempt + " of " + call.key + " is granted after it has ended");
}

}  // namespace latchkey::simulation
