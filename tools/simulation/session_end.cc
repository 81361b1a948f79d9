#include "tools/simulation/session_end.h"

#include <iterator>
#include <utility>

#include "server/calls/rpc_status.h"
#include "tools/simulation/refused.h"
#include "tools/simulation/server_host.h"
#include "tools/simulation/server_life.h"
#include <google/rpc/status.pb.h>

namespace latchkey::simulation {
namespace {

using R = v1::Refusal;

internal::CallStatus StatusOf(const std::optional<Refusal>& refusal) {
  if (!refusal.has_value()) return {};
  const auto status = ToRpcStatus(*refusal);
  return {static_cast<grpc::StatusCode>(status.code()), status.message(),
          status.SerializeAsString()};
}

v1::RenewLeaseRequest RenewalOf(const v1::Heartbeat::Lease& lease) {
  v1::RenewLeaseRequest request;
  request.set_namespace_(lease.namespace_());
  request.set_key(lease.key());
  request.set_fencing_token(lease.fencing_token());
  return request;
}

Request RequestOf(const v1::SessionRequest::Call& call) {
  using Entry = v1::SessionRequest::Call;
  switch (call.call_case()) {
    case Entry::kAcquireLock:
      return call.acquire_lock();
    case Entry::kRenewLease:
      return call.renew_lease();
    case Entry::kCheckResult:
      return call.check_result();
    case Entry::kRecordResult:
      return call.record_result();
    default:
      return call.release();
  }
}

Response ResponseOf(const v1::SessionResponse::Reply& reply) {
  using Reply = v1::SessionResponse::Reply;
  switch (reply.reply_case()) {
    case Reply::kAcquireLock:
      return reply.acquire_lock();
    case Reply::kRenewLease:
      return reply.renew_lease();
    case Reply::kCheckResult:
      return reply.check_result();
    case Reply::kRecordResult:
      return reply.record_result();
    case Reply::kRelease:
      return reply.release();
    default:
      return RefusedBy(reply.refusal());
  }
}

}  // namespace

SessionEnd::SessionEnd(ServerLife& life, std::shared_ptr<Stream> stream)
    : life_(life),
      stream_(std::move(stream)),
      session_(std::make_shared<Session>(life.environment(), *this)) {}

void SessionEnd::Receive(const std::string& frame) {
  if (!may_read_) {
    unread_.push_back(frame);
    return;
  }
  Take(frame);
  life_.WakePartitions();
}

void SessionEnd::Take(const std::string& frame) {
  const auto parsed = std::make_shared<SessionFrame>(4 * frame.size());
  if (!parsed->request->ParseFromString(frame)) {
    may_read_ = false;
    return session_->OnRefused({R::FRAME_MALFORMED, "not a SessionRequest", {}, {}});
  }
  NoteArrived(*parsed->request);
  may_read_ = session_->OnFrame(parsed);
}

void SessionEnd::Read() {
  may_read_ = true;
  while (may_read_ && !unread_.empty()) {
    const std::string frame = std::move(unread_.front());
    unread_.erase(unread_.begin());
    Take(frame);
  }
  if (may_read_ && half_closed_) session_->OnHalfClosed();
  life_.WakePartitions();
}

// Is read behind the last frame.
void SessionEnd::HalfClosed() {
  half_closed_ = true;
  if (may_read_) session_->OnHalfClosed();
  life_.WakePartitions();
}

void SessionEnd::Broken() {
  CutOff();
  session_->OnBroken();
  if (std::exchange(writing_, false)) session_->OnWritten();
  life_.WakePartitions();
}

void SessionEnd::Sever() {
  session_->OnBroken();
  if (std::exchange(writing_, false)) session_->OnWritten();
}

void SessionEnd::Write(std::string frame) {
  writing_ = true;
  if (life_.dead()) return;
  NoteLeaving(frame);
  life_.host().RunAfter(stream_->TimeToWrite(), [this] {
    if (!std::exchange(writing_, false)) return;
    session_->OnWritten();
    life_.WakePartitions();
  });
  stream_->ServerWrites(std::move(frame));
}

void SessionEnd::End(const std::optional<Refusal>& refusal) {
  ended_ = true;
  if (!life_.dead()) CutOff();
  if (!life_.dead()) stream_->ServerEnds(StatusOf(refusal));
}

void SessionEnd::NoteArrived(const v1::SessionRequest& request) {
  Network& network = stream_->network();
  for (const auto& call : request.calls()) {
    if (call.has_cancel()) {
      NoteGone(call.cancel().call_id());
      continue;
    }
    if (call.call_case() == v1::SessionRequest::Call::CALL_NOT_SET) continue;
    const std::uint64_t number = network.NextCallNumber();
    life_.boundary().OnArrived(number, RequestOf(call));
    calls_.emplace(call.call_id(), number);
  }
  if (!request.has_heartbeat()) return;
  auto& renewals = heartbeats_[request.heartbeat().heartbeat_id()];
  renewals.clear();
  for (const auto& lease : request.heartbeat().leases()) {
    renewals.push_back(network.NextCallNumber());
    life_.boundary().OnArrived(renewals.back(), RenewalOf(lease));
  }
}

void SessionEnd::NoteGone(std::uint64_t call_id) {
  const auto behind = calls_.upper_bound(call_id);
  if (behind == calls_.begin()) return;
  const auto newest = std::prev(behind);
  if (newest->first == call_id) life_.boundary().OnGone(newest->second, /*cut_off=*/false);
}

// Nothing that is not answered will be.
void SessionEnd::CutOff() {
  for (const auto& [call_id, call] : calls_) life_.boundary().OnGone(call, /*cut_off=*/true);
  for (const auto& [heartbeat_id, renewals] : heartbeats_) {
    for (const std::uint64_t renewal : renewals) {
      life_.boundary().OnGone(renewal, /*cut_off=*/true);
    }
  }
}

void SessionEnd::NoteLeaving(const std::string& frame) {
  v1::SessionResponse response;
  (void)response.ParseFromString(frame);
  for (const auto& reply : response.replies()) {
    const Response said = ResponseOf(reply);
    // Of an entry that asked for nothing, which has no number.
    const auto* refused = std::get_if<RefusedWith>(&said);
    if (refused != nullptr && refused->reason == "CALL_REQUIRED") continue;
    const auto found = calls_.lower_bound(reply.call_id());
    if (found == calls_.end() || found->first != reply.call_id()) continue;
    const std::uint64_t number = found->second;
    calls_.erase(found);
    life_.boundary().OnAnswered(number, said);
  }
  for (const auto& heartbeat : response.heartbeats()) {
    const auto found = heartbeats_.find(heartbeat.heartbeat_id());
    if (found == heartbeats_.end()) continue;
    const std::vector<std::uint64_t> renewals = std::move(found->second);
    heartbeats_.erase(found);
    for (std::size_t i = 0; i < renewals.size(); ++i) {
      const auto& lease = heartbeat.leases(static_cast<int>(i));
      if (!lease.lost_reason().empty()) {
        life_.boundary().OnAnswered(renewals[i], RefusedWith{lease.lost_reason(), ""});
        continue;
      }
      v1::RenewLeaseResponse renewed;
      *renewed.mutable_lease_remaining() = lease.lease_remaining();
      *renewed.mutable_server_elapsed() = heartbeat.server_elapsed();
      life_.boundary().OnAnswered(renewals[i], renewed);
    }
  }
  for (const auto& lost : response.lost()) life_.boundary().OnLeaseLost(lost);
}

}  // namespace latchkey::simulation
