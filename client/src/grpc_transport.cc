#include "grpc_transport.h"

#include <cstddef>
#include <optional>
#include <stop_token>
#include <unordered_set>
#include <utility>

#include "base/mutex.h"
#include "grpc_session_stream.h"
#include "latchkey/v1/coordination.grpc.pb.h"
#include "library_thread.h"
#include "security.h"
#include "session_transport.h"
#include <grpc/support/time.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

namespace latchkey::inline client::internal {
namespace {

constexpr std::chrono::seconds kShutdownBound(1);

// The calls under way, so that they can be cancelled. Shared with the calls: they may outlive the
// transport.
class Calls {
 public:
  // False after CancelAll: the call must not be started.
  bool Add(grpc::ClientContext* call) {
    MutexLock lock(mutex_);
    if (closed_) return false;
    cancellable_.insert(call);
    ++running_;
    return true;
  }
  // From here on `call` may be destroyed.
  void Forget(grpc::ClientContext* call) {
    MutexLock lock(mutex_);
    cancellable_.erase(call);
  }
  // One that was forgotten has been destroyed.
  void End() {
    MutexLock lock(mutex_);
    if (--running_ == 0) none_left_.NotifyAll();
  }
  // Returns true when all have ended, or false after `bound`.
  bool CancelAll(std::chrono::nanoseconds bound) {
    const auto until = std::chrono::steady_clock::now() + bound;
    MutexLock lock(mutex_);
    closed_ = true;
    for (grpc::ClientContext* call : cancellable_) call->TryCancel();
    while (running_ > 0) {
      const auto left = until - std::chrono::steady_clock::now();
      if (left <= std::chrono::nanoseconds(0)) return false;
      none_left_.WaitFor(mutex_, left);
    }
    return true;
  }

 private:
  Mutex mutex_;
  Condition none_left_;
  bool closed_ GUARDED_BY(mutex_) = false;
  std::unordered_set<grpc::ClientContext*> cancellable_ GUARDED_BY(mutex_);
  std::size_t running_ GUARDED_BY(mutex_) = 0;
};

struct Cancel {
  grpc::ClientContext* context;
  // Before the call begins, too: it then ends at once.
  void operator()() const { context->TryCancel(); }
};

// Everything a call needs until its callback has run.
template <typename Request, typename Response>
struct Call {
  // Owns a share of the channel.
  std::optional<grpc::ClientContext> context{std::in_place};
  std::optional<std::stop_callback<Cancel>> stop;
  Security::Shown shown;
  Request request;
  Response response;
  Done<Response> done;
};

grpc::ChannelArguments MakeChannelArguments() {
  grpc::ChannelArguments arguments;
  // Retrying is Connection's business, with rules of its own.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  // By default a channel waits up to two minutes before it connects again: every restart of the
  // service would cost every lease.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, 4 << 20);
  // TCP alone waits a quarter of an hour for a machine that is gone. As often also while a call
  // only waits; the service allows a ping every 5 s.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // One channel per connection, not one shared by all that name the same target.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return arguments;
}

class GrpcTransport final : public Transport {
 public:
  GrpcTransport(const std::shared_ptr<grpc::Channel>& channel, std::shared_ptr<Security> security)
      : stub_(v1::CoordinationService::NewStub(channel)),
        calls_(std::make_shared<Calls>()),
        security_(std::move(security)) {}

  void AcquireLock(v1::AcquireLockRequest request, TryLimits limits,
                   Done<v1::AcquireLockResponse> done) override {
    Start(&Async::AcquireLock, std::move(request), std::move(limits), std::move(done));
  }
  void RenewLease(v1::RenewLeaseRequest request, TryLimits limits,
                  Done<v1::RenewLeaseResponse> done) override {
    Start(&Async::RenewLease, std::move(request), std::move(limits), std::move(done));
  }
  void CheckResult(v1::CheckResultRequest request, TryLimits limits,
                   Done<v1::CheckResultResponse> done) override {
    Start(&Async::CheckResult, std::move(request), std::move(limits), std::move(done));
  }
  void RecordResult(v1::RecordResultRequest request, TryLimits limits,
                    Done<v1::RecordResultResponse> done) override {
    Start(&Async::RecordResult, std::move(request), std::move(limits), std::move(done));
  }
  void Release(v1::ReleaseRequest request, TryLimits limits,
               Done<v1::ReleaseResponse> done) override {
    Start(&Async::Release, std::move(request), std::move(limits), std::move(done));
  }
  void IssueKey(v1::IssueKeyRequest request, TryLimits limits,
                Done<v1::IssueKeyResponse> done) override {
    Start(&Async::IssueKey, std::move(request), std::move(limits), std::move(done));
  }

  void Shutdown() override {
    if (calls_->CancelAll(kShutdownBound)) return;
    // A callback blocks a thread of gRPC, which would then be the channel's last owner, and gRPC
    // aborts there. So nobody ever is.
    new std::shared_ptr<v1::CoordinationService::Stub>(stub_);
  }

 private:
  using Async = v1::CoordinationService::StubInterface::async_interface;
  template <typename Request, typename Response>
  using Method = void (Async::*)(grpc::ClientContext*, const Request*, Response*,
                                 std::function<void(grpc::Status)>);

  template <typename Request, typename Response>
  void Start(Method<Request, Response> method, Request request, TryLimits limits,
             Done<Response> done) {
    auto call = std::make_shared<Call<Request, Response>>();
    grpc::ClientContext* const context = &*call->context;
    if (!calls_->Add(context)) {
      return done({grpc::StatusCode::CANCELLED, "the client is closed", ""}, Response());
    }
    call->request = std::move(request);
    call->done = std::move(done);
    context->set_deadline(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                       gpr_time_from_nanos(limits.timeout.count(), GPR_TIMESPAN)));
    call->shown = security_->Show(*context);
    if (limits.stop.stop_possible()) call->stop.emplace(limits.stop, Cancel{context});
    (stub_->async()->*method)(
        context, &call->request, &call->response,
        [call, calls = calls_, security = security_](const grpc::Status& status) {
          calls->Forget(&*call->context);
          Finish(*call, *security, status);
          calls->End();
        });
  }

  // Lets go of all that may own the channel, too: gRPC aborts when its last owner is one of its own
  // threads, so Shutdown waits for this.
  template <typename Request, typename Response>
  static void Finish(Call<Request, Response>& call, Security& security,
                     const grpc::Status& status) {
    const LibraryThread mark;
    call.stop.reset();
    const Done<Response> done = std::exchange(call.done, nullptr);
    done(security.Judge(call.shown,
                        {status.error_code(), status.error_message(), status.error_details()}),
         std::move(call.response));
    call.context.reset();
  }

  const std::shared_ptr<v1::CoordinationService::Stub> stub_;
  const std::shared_ptr<Calls> calls_;
  const std::shared_ptr<Security> security_;
};

}  // namespace

std::shared_ptr<Transport> MakeGrpcTransport(const std::string& target, TransportKind kind,
                                             const std::shared_ptr<Runtime>& runtime,
                                             const ClientOptions& options) {
  const auto security = std::make_shared<Security>(target, options);
  grpc::ChannelArguments arguments = MakeChannelArguments();
  security->SetArguments(arguments);
  const auto channel =
      grpc::CreateCustomChannel(target, security->MakeChannelCredentials(), arguments);
  auto unary = std::make_shared<GrpcTransport>(channel, security);
  if (kind == TransportKind::kUnary) return unary;
  return MakeSessionTransport(runtime, OpenOn(channel, security), std::move(unary));
}

}  // namespace latchkey::inline client::internal
