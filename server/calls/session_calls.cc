#include "server/calls/session_calls.h"

#include <optional>
#include <utility>

#include "server/calls/budgeted_call.h"
#include "server/calls/rpc_status.h"
#include <google/rpc/status.pb.h>

namespace latchkey {
namespace {

using google::protobuf::Arena;
using Entry = v1::SessionRequest::Call;
using Reply = v1::SessionResponse::Reply;

v1::AcquireLockResponse* ResponseTo(const v1::AcquireLockRequest&, Reply& reply) {
  return reply.mutable_acquire_lock();
}
v1::RenewLeaseResponse* ResponseTo(const v1::RenewLeaseRequest&, Reply& reply) {
  return reply.mutable_renew_lease();
}
v1::CheckResultResponse* ResponseTo(const v1::CheckResultRequest&, Reply& reply) {
  return reply.mutable_check_result();
}
v1::RecordResultResponse* ResponseTo(const v1::RecordResultRequest&, Reply& reply) {
  return reply.mutable_record_result();
}
v1::ReleaseResponse* ResponseTo(const v1::ReleaseRequest&, Reply& reply) {
  return reply.mutable_release();
}

// What a call is answered with. Not in its frame: a large answer goes as soon as it is sent, and
// the frame only with the last of its calls.
using Envelope = std::unique_ptr<v1::SessionResponse>;

template <class Request, class Response>
class SessionCall final : public BudgetedCall<Request, Response> {
 public:
  // The request lives in the frame, the response in the envelope.
  SessionCall(const CallEnvironment& environment, std::shared_ptr<Session> session,
              std::shared_ptr<SessionFrame> frame, Envelope envelope, const Request& request,
              Response* response, MonotonicTime arrived_at)
      : BudgetedCall<Request, Response>(environment, session->reply_budget(), request, response,
                                        arrived_at),
        session_(std::move(session)),
        frame_(std::move(frame)),
        envelope_(std::move(envelope)) {}

  std::weak_ptr<LeaseListener> lease_listener() override { return session_; }
  std::optional<TraceContext> trace() const override { return session_->trace(); }

 private:
  void Send(std::optional<Refusal> refusal) override {
    Reply& reply = *envelope_->mutable_replies(0);
    std::optional<UnsentGrant> granted;
    if (refusal.has_value()) {
      *reply.mutable_refusal() = ToRpcStatus(*refusal);
    } else {
      granted = this->Granted();
    }
    session_->Answer(reply.call_id(), *envelope_, {this->TakeBudgetedBytes(), std::move(granted)});
    delete this;
  }

  const std::shared_ptr<Session> session_;
  const std::shared_ptr<SessionFrame> frame_;
  const Envelope envelope_;
};

template <class Request>
bool MayWait(const Request& request) {
  if constexpr (requires { request.wait_timeout(); }) {
    return request.wait_timeout().seconds() != 0 || request.wait_timeout().nanos() != 0;
  } else {
    return false;
  }
}

// Calls `use` with the request of the entry, whatever it is; `otherwise` is answered if there is
// none.
template <class Use, class Otherwise>
Otherwise WithRequest(const Entry& entry, const Use& use, Otherwise otherwise) {
  switch (entry.call_case()) {
    case Entry::kAcquireLock:
      return use(entry.acquire_lock());
    case Entry::kRenewLease:
      return use(entry.renew_lease());
    case Entry::kCheckResult:
      return use(entry.check_result());
    case Entry::kRecordResult:
      return use(entry.record_result());
    case Entry::kRelease:
      return use(entry.release());
    case Entry::kCancel:
    case Entry::CALL_NOT_SET:
      return otherwise;
  }
  return otherwise;
}

}  // namespace

std::unique_ptr<Call> MakeSessionCall(const CallEnvironment& environment,
                                      const std::shared_ptr<Session>& session,
                                      const std::shared_ptr<SessionFrame>& frame,
                                      const Entry& entry, MonotonicTime arrived) {
  const auto make = [&]<class Request>(const Request& in_frame) -> std::unique_ptr<Call> {
    std::shared_ptr<SessionFrame> home = frame;
    const Request* request = &in_frame;
    if (MayWait(in_frame)) {
      home = std::make_shared<SessionFrame>(2 * in_frame.ByteSizeLong());
      auto* copy = Arena::CreateMessage<Request>(&home->arena);
      copy->CopyFrom(in_frame);
      request = copy;
    }
    auto envelope = std::make_unique<v1::SessionResponse>();
    Reply& reply = *envelope->add_replies();
    reply.set_call_id(entry.call_id());
    auto* response = ResponseTo(*request, reply);
    using Response = std::remove_pointer_t<decltype(response)>;
    return std::make_unique<SessionCall<Request, Response>>(
        environment, session, std::move(home), std::move(envelope), *request, response, arrived);
  };
  return WithRequest(entry, make, std::unique_ptr<Call>());
}

std::optional<Refusal> CheckSessionCall(const CallEnvironment& environment, Caller& caller,
                                        const Entry& entry) {
  const auto check = [&](const auto& request) { return environment.Check(request, caller); };
  return WithRequest(entry, check, std::optional<Refusal>());
}

}  // namespace latchkey
