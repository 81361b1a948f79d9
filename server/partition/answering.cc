// How calls are answered once the batch is durable. Part of partition.h.

#include <algorithm>
#include <utility>

#include "base/mutant.h"
#include "latchkey/v1/admin.pb.h"
#include "latchkey/v1/coordination.pb.h"
#include "server/machine/proto_time.h"
#include "server/partition/entry.h"
#include "server/partition/partition.h"
#include "server/partition/refusals.h"

namespace latchkey {
namespace {

// Writes what is left of the lease and how long the call took, from one clock reading.
void StampReply(const Call& call, std::optional<MonotonicTime> lease_deadline, MonotonicTime now) {
  const auto stamp = [&](google::protobuf::Duration* lease_remaining) {
    const Duration left = lease_deadline.value_or(now) - now;
    SetProto(std::max(left, Duration::zero()), lease_remaining);
  };
  if (const auto* acquire = std::get_if<AcquireLockExchange>(&call.operation)) {
    SetProto(now - call.arrived, acquire->response->mutable_server_elapsed());
    if (lease_deadline.has_value()) {
      stamp(acquire->response->mutable_grant()->mutable_lease_remaining());
    }
  } else if (const auto* renew = std::get_if<RenewLeaseExchange>(&call.operation)) {
    SetProto(now - call.arrived, renew->response->mutable_server_elapsed());
    stamp(renew->response->mutable_lease_remaining());
  } else if (const auto* get = std::get_if<GetRecordExchange>(&call.operation)) {
    if (lease_deadline.has_value())
      stamp(get->response->mutable_record()->mutable_lease_remaining());
  }
}

}  // namespace

Partition::Answer& Partition::AnswerLater(Call& call, std::optional<Refusal> refusal) {
  Answer& answer = answers_.emplace_back();
  answer.call = &call;
  answer.refusal = std::move(refusal);
  return answer;
}

void Partition::SendAnswers() {
  const MonotonicTime now = environment_.clock->Monotonic();
  std::vector<Work> deferred = std::exchange(backlog_, {});
  for (Answer& answer : answers_) Send(answer, now);
  answers_.clear();
  for (auto& [listener, lost] : losses_) listener->OnLeaseLost(lost);
  losses_.clear();
  // After the grants to take back, so that none of them is repeated to a retry first.
  backlog_.insert(backlog_.end(), deferred.begin(), deferred.end());
}

void Partition::Send(Answer& answer, MonotonicTime now) {
  Call& call = *answer.call;
  if (answer.refusal.has_value()) return call.Finish(std::move(answer.refusal));
  if (answer.shared != nullptr) return call.FinishShared(std::move(answer.shared));
  if (answer.granted != nullptr && !NoteGrant(*answer.granted, call)) {
    return call.Finish(Cancelled());
  }
  StampReply(call, answer.lease_deadline, now);
  call.Finish(std::nullopt);
}

// A grant of this batch gets its token. One that is repeated has it, and the key may have gone to
// somebody else since, in this very batch.
bool Partition::NoteGrant(Entry& entry, Call& call) {
  auto& grant = *std::get<AcquireLockExchange>(call.operation).response->mutable_grant();
  if (grant.fencing_token() == 0) grant.set_fencing_token(entry.state.record->fencing_token());
  const auto& record = entry.state.record;
  if (!record.has_value() || record->fencing_token() != grant.fencing_token()) return true;
  ++entry.grant_replies;
  if (call.gone() && !Mutated(Mutant::kGrantToCancelled)) {
    backlog_.emplace_back(UnsentGrant{entry.store_key, grant.fencing_token()});
    return false;
  }
  entry.listener = call.lease_listener();
  return true;
}

void Partition::NoteLoss(Entry& entry, std::uint64_t fencing_token) {
  if (auto listener = std::exchange(entry.listener, {}).lock()) {
    losses_.emplace_back(std::move(listener), LostLease{entry.store_key, fencing_token});
  }
}

}  // namespace latchkey
