#include "session_transport.h"

#include <utility>
#include <vector>

#include "base/mutex.h"
#include "session.h"
#include <google/protobuf/arena.h>

namespace latchkey::inline client::internal {
namespace {

using Entry = v1::SessionRequest::Call;
using Reply = v1::SessionResponse::Reply;

constexpr std::chrono::seconds kShutdownBound(1);

// One call in a frame of its own. The request is lent for that long.
template <typename Request>
std::string Encode(std::uint64_t call_id, Request& request, void (Entry::*set)(Request*)) {
  alignas(8) char block[512];
  google::protobuf::ArenaOptions options;
  options.initial_block = block;
  options.initial_block_size = sizeof(block);
  google::protobuf::Arena arena(options);
  auto* frame = google::protobuf::Arena::CreateMessage<v1::SessionRequest>(&arena);
  Entry* const entry = frame->add_calls();
  entry->set_call_id(call_id);
  (entry->*set)(&request);
  return frame->SerializeAsString();
}

// Nothing but the lease as it was granted.
bool IsPlain(const v1::RenewLeaseRequest& request) {
  return !request.has_lease_duration() && !request.effect_started() && !request.has_checkpoint();
}

std::string EncodeHeartbeat(const v1::RenewLeaseRequest& request) {
  v1::SessionRequest frame;
  auto* lease = frame.mutable_heartbeat()->add_leases();
  lease->set_namespace_(request.namespace_());
  lease->set_key(request.key());
  lease->set_fencing_token(request.fencing_token());
  return frame.SerializeAsString();
}

void KeepForEver(std::shared_ptr<Transport> transport) {
  static Mutex mutex;
  static auto& kept = *new std::vector<std::shared_ptr<Transport>>();
  MutexLock lock(mutex);
  kept.push_back(std::move(transport));
}

v1::RenewLeaseResponse* RenewedIn(Reply& reply) {
  return reply.has_renew_lease() ? reply.mutable_renew_lease() : nullptr;
}

class SessionTransport final : public Transport {
 public:
  SessionTransport(const std::shared_ptr<Runtime>& runtime, OpenSessionStream open,
                   std::shared_ptr<Transport> unary)
      : session_(std::make_shared<Session>(runtime)),
        open_(std::move(open)),
        unary_(std::move(unary)) {}

  void AcquireLock(v1::AcquireLockRequest request, TryLimits limits,
                   Done<v1::AcquireLockResponse> done) override {
    Start<v1::AcquireLockResponse>(
        std::move(request), std::move(limits), std::move(done),
        {.set = &Entry::unsafe_arena_set_allocated_acquire_lock,
         .part =
             [](Reply& reply) {
               return reply.has_acquire_lock() ? reply.mutable_acquire_lock() : nullptr;
             },
         .unary = &Transport::AcquireLock,
         .holds_back = true});
  }
  void RenewLease(v1::RenewLeaseRequest request, TryLimits limits,
                  Done<v1::RenewLeaseResponse> done) override {
    if (IsPlain(request) && !session_->unsupported()) {
      Session::Message message{
          .call_id = session_->NextCallId(), .bytes = EncodeHeartbeat(request), .renewal = true};
      return session_->Start(
          std::move(message),
          std::make_unique<TypedSessionCall<v1::RenewLeaseResponse>>(RenewedIn, std::move(done)),
          limits, open_);
    }
    Start<v1::RenewLeaseResponse>(std::move(request), std::move(limits), std::move(done),
                                  {.set = &Entry::unsafe_arena_set_allocated_renew_lease,
                                   .part = RenewedIn,
                                   .unary = &Transport::RenewLease});
  }
  void CheckResult(v1::CheckResultRequest request, TryLimits limits,
                   Done<v1::CheckResultResponse> done) override {
    Start<v1::CheckResultResponse>(
        std::move(request), std::move(limits), std::move(done),
        {.set = &Entry::unsafe_arena_set_allocated_check_result,
         .part =
             [](Reply& reply) {
               return reply.has_check_result() ? reply.mutable_check_result() : nullptr;
             },
         .unary = &Transport::CheckResult,
         .holds_back = true});
  }
  void RecordResult(v1::RecordResultRequest request, TryLimits limits,
                    Done<v1::RecordResultResponse> done) override {
    Start<v1::RecordResultResponse>(
        std::move(request), std::move(limits), std::move(done),
        {.set = &Entry::unsafe_arena_set_allocated_record_result,
         .part =
             [](Reply& reply) {
               return reply.has_record_result() ? reply.mutable_record_result() : nullptr;
             },
         .unary = &Transport::RecordResult});
  }
  void Release(v1::ReleaseRequest request, TryLimits limits,
               Done<v1::ReleaseResponse> done) override {
    Start<v1::ReleaseResponse>(
        std::move(request), std::move(limits), std::move(done),
        {.set = &Entry::unsafe_arena_set_allocated_release,
         .part =
             [](Reply& reply) { return reply.has_release() ? reply.mutable_release() : nullptr; },
         .unary = &Transport::Release});
  }
  void IssueKey(v1::IssueKeyRequest request, TryLimits limits,
                Done<v1::IssueKeyResponse> done) override {
    unary_->IssueKey(std::move(request), std::move(limits), std::move(done));
  }

  void SetLostListener(const LostListener& listener) override {
    session_->SetLostListener(listener);
  }

  void Shutdown() override {
    const bool ended = session_->Shutdown(kShutdownBound);
    unary_->Shutdown();
    // A stream that a callback keeps from ending must not be the channel's last owner: it would be
    // on a thread of gRPC, which aborts there. So nobody ever is.
    if (!ended) KeepForEver(unary_);
  }

 private:
  // How one kind of call goes.
  template <typename Request, typename Response>
  struct Way {
    void (Entry::*set)(Request*);
    typename TypedSessionCall<Response>::Part part;
    void (Transport::*unary)(Request, TryLimits, Done<Response>);
    bool holds_back = false;
  };

  template <typename Response, typename Request>
  void Start(Request request, TryLimits limits, Done<Response> done,
             const Way<std::type_identity_t<Request>, Response>& way) {
    Session::Message message{.call_id = session_->NextCallId(), .holds_back = way.holds_back};
    message.bytes = Encode(message.call_id, request, way.set);
    if (session_->unsupported() || message.bytes.size() > kFrameBytes) {
      return ((*unary_).*way.unary)(std::move(request), std::move(limits), std::move(done));
    }
    session_->Start(std::move(message),
                    std::make_unique<TypedSessionCall<Response>>(way.part, std::move(done)), limits,
                    open_);
  }

  const std::shared_ptr<Session> session_;
  const OpenSessionStream open_;
  const std::shared_ptr<Transport> unary_;
};

}  // namespace

std::shared_ptr<Transport> MakeSessionTransport(const std::shared_ptr<Runtime>& runtime,
                                                OpenSessionStream open,
                                                std::shared_ptr<Transport> unary) {
  return std::make_shared<SessionTransport>(runtime, std::move(open), std::move(unary));
}

}  // namespace latchkey::inline client::internal
