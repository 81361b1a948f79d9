// What the partition tells its meter. Part of partition.h.

#include <algorithm>

#include "latchkey/v1/coordination.pb.h"
#include "server/partition/entry.h"
#include "server/partition/meter.h"
#include "server/partition/partition.h"

namespace latchkey {

using State = v1::CheckResultResponse;

void Partition::Measure(Entry& entry, const Step& step, State::State before, const Call* call) {
  Meter& meter = *environment_.meter;
  const State::State after = entry.state_now();
  if (before == State::HELD && after != State::HELD) {
    meter.OnHoldEnded(now_.monotonic - entry.held_since);
  }
  if (step.granted) entry.held_since = now_.monotonic;
  if (exclusive_) NoteDoubt(entry);
  if (step.duplicate_suspected) meter.OnDuplicateSuspected();
  if (step.late_outcome_kept) meter.OnLateOutcomeKept();
  if (!step.durable || call == nullptr) return;
  if (const auto* record = std::get_if<RecordResultExchange>(&call->operation);
      record != nullptr && !step.refusal.has_value()) {
    meter.OnResult(record->request->payload().size(), record->response->late());
  }
  // Only a deletion ends a completed record; any other that is gone was past its retention.
  if (before == State::COMPLETED && after != State::COMPLETED &&
      !std::holds_alternative<DeleteRecordExchange>(call->operation)) {
    meter.OnExpiredReplaced();
  }
}

void Partition::NoteDoubt(Entry& entry) {
  const std::int64_t since =
      entry.state_now() == State::IN_DOUBT ? entry.state.record->state_since_nanos() : 0;
  if (since == entry.doubt_since_nanos) return;
  Meter& meter = *environment_.meter;
  if (entry.doubt_since_nanos != 0) {
    meter.OnDoubt(entry.name_space(), entry.doubt_since_nanos, false);
  }
  if (since != 0) meter.OnDoubt(entry.name_space(), since, true);
  entry.doubt_since_nanos = since;
}

void Partition::MeasureRenewal(const Call& call, MonotonicTime deadline) {
  environment_.meter->OnRenewed(std::max(deadline - call.arrived, Duration::zero()));
}

}  // namespace latchkey
