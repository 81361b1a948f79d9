// Waiting: L8, L9. Part of checker.h.

#include <algorithm>

#include "storage/store_key.h"
#include "tools/simulation/checker.h"
#include "tools/simulation/words.h"

namespace latchkey::simulation {

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

// `waiter` waited until then: nobody who came later may have been granted the key before.
void Checker::JudgeOrder(const SeenCall& waiter, Duration until) {
  const auto& request = std::get<v1::AcquireLockRequest>(waiter.request);
  if (WaitOf(request) == Duration::zero() || waiter.gone.has_value()) return;
  for (const auto& [number, token] : keys_[waiter.key].tokens) {
    if (!token.granted || token.call->life != waiter.life) continue;
    const bool came_later = token.call->first_place > waiter.place;
    const bool was_first = token.begun + std::chrono::microseconds(1) < until;
    const bool passed_over = token.mode == v1::Grant::RECOVER && !request.accept_recover();
    if (!came_later || !was_first || passed_over) continue;
    Violated("L8", "token " + std::to_string(number) + " of " + waiter.key +
                       " was granted to a call that came after call " +
                       std::to_string(waiter.number) + ", which was waiting");
  }
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
    trace_.Add(now(), "written",
               name + " " +
                   (record == nullptr ? std::string("nothing")
                                      : v1::CheckResultResponse::State_Name(record->state())));
    return;
  }
  trace_.Add(now(), "written", name + " HELD token " + std::to_string(record->fencing_token()));
  if (std::exchange(key.written_token, record->fencing_token()) == record->fencing_token()) return;
  JudgeGone(key, *record);
}

}  // namespace latchkey::simulation
