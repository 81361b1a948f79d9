#include "server/calls/session_heartbeat.h"

#include <algorithm>
#include <utility>

#include "base/mutant.h"
#include "server/machine/proto_time.h"

namespace latchkey {

using google::protobuf::Arena;

class SessionHeartbeat::LeaseCall final : public Call {
 public:
  LeaseCall(std::shared_ptr<SessionHeartbeat> heartbeat, std::size_t place,
            const v1::RenewLeaseRequest& request, v1::RenewLeaseResponse* response)
      : Call(RenewLeaseExchange{&request, response}, StoreKeyOf(request), heartbeat->arrived_,
             request.ByteSizeLong()),
        heartbeat_(std::move(heartbeat)),
        place_(place),
        response_(*response) {}

  void Finish(std::optional<Refusal> refusal) override {
    heartbeat_->Set(place_, refusal, response_);
    delete this;
  }
  // Not for renewals.
  void FinishShared(std::shared_ptr<const google::protobuf::Message>) override {
    Finish(std::nullopt);
  }
  std::weak_ptr<LeaseListener> lease_listener() override { return heartbeat_->session_; }
  std::optional<TraceContext> trace() const override { return heartbeat_->session_->trace(); }

 private:
  const std::shared_ptr<SessionHeartbeat> heartbeat_;
  const std::size_t place_;
  const v1::RenewLeaseResponse& response_;
};

SessionHeartbeat::SessionHeartbeat(const CallEnvironment& environment,
                                   std::shared_ptr<Session> session,
                                   std::shared_ptr<SessionFrame> frame, MonotonicTime arrived)
    : environment_(environment),
      session_(std::move(session)),
      frame_(std::move(frame)),
      heartbeat_(frame_->request->heartbeat()),
      arrived_(arrived),
      unanswered_(size()),
      states_(size()) {}

std::unique_ptr<Call> SessionHeartbeat::MakeCall(std::size_t place, Caller& caller,
                                                 std::optional<Refusal>* refusal) {
  const auto& lease = heartbeat_.leases(static_cast<int>(place));
  auto* request = Arena::CreateMessage<v1::RenewLeaseRequest>(&frame_->arena);
  request->set_namespace_(lease.namespace_());
  request->set_key(lease.key());
  request->set_fencing_token(lease.fencing_token());
  *refusal = environment_.Check(*request, caller);
  return std::make_unique<LeaseCall>(shared_from_this(), place, *request,
                                     Arena::CreateMessage<v1::RenewLeaseResponse>(&frame_->arena));
}

void SessionHeartbeat::Set(std::size_t place, const std::optional<Refusal>& refusal,
                           const v1::RenewLeaseResponse& renewed) {
  State& state = states_[place];
  if (refusal.has_value() && Mutated(Mutant::kHeartbeatRevives)) {
    state.holds_for = std::chrono::minutes(1);
  } else if (refusal.has_value()) {
    state.lost = refusal->reason;
  } else {
    const auto span = [](const google::protobuf::Duration& duration) {
      return FromProto(duration).value_or(Duration::zero());
    };
    state.holds_for = span(renewed.server_elapsed()) + span(renewed.lease_remaining());
  }
  if (--unanswered_ == 0) Answer();
}

// The leases were renewed one after the other, and all are told from one clock reading.
void SessionHeartbeat::Answer() {
  const Duration elapsed = environment_.clock.Monotonic() - arrived_;
  environment_.meter.OnAnswered(Rpc::kHeartbeat, elapsed, std::nullopt);
  auto* envelope = Arena::CreateMessage<v1::SessionResponse>(&frame_->arena);
  auto* reply = envelope->add_heartbeats();
  reply->set_heartbeat_id(heartbeat_.heartbeat_id());
  SetProto(elapsed, reply->mutable_server_elapsed());
  for (const State& state : states_) {
    auto* lease = reply->add_leases();
    if (state.lost != v1::Refusal::REASON_UNSPECIFIED) {
      environment_.meter.OnRefused(Rpc::kHeartbeat, state.lost);
      lease->set_lost_reason(v1::Refusal::Reason_Name(state.lost));
    } else {
      SetProto(std::max(state.holds_for - elapsed, Duration::zero()),
               lease->mutable_lease_remaining());
    }
  }
  session_->AnswerHeartbeat(*envelope, size());
}

}  // namespace latchkey
