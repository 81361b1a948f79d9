#include "tools/load_generator/latchkey_flows.h"

#include <optional>
#include <utility>
#include <vector>

#include "client/src/grpc_transport.h"
#include "client/src/system_runtime.h"
#include "latchkey/v1/coordination.grpc.pb.h"
#include "tools/load_generator/channels.h"
#include <grpcpp/grpcpp.h>

namespace latchkey::bench {
namespace {

using Stub = v1::CoordinationService::Stub;

constexpr int kLeaseSeconds = 600;
constexpr std::chrono::seconds kTimeout(60);

class UnaryLoop final : public FlowLoop {
 public:
  UnaryLoop(Stub& stub, Flow flow) : stub_(stub), flow_(flow) {
    acquire_.mutable_lease_duration()->set_seconds(kLeaseSeconds);
    acquire_.set_holder_id("bench");
  }

 private:
  void Send() override {
    acquire_.set_key(key());
    acquire_.set_attempt_id(key());
    context_.emplace();
    granted_.Clear();
    stub_.async()->AcquireLock(&*context_, &acquire_, &granted_,
                               [this](const grpc::Status& status) {
                                 if (!status.ok()) return Failed(status.error_message());
                                 if (!granted_.has_grant())
                                   return Failed("no grant: " + granted_.ShortDebugString());
                                 if (flow_ == Flow::kAcquire) return Finished();
                                 Record();
                               });
  }

  void Record() {
    record_.set_key(key());
    record_.set_fencing_token(granted_.grant().fencing_token());
    record_.set_outcome(v1::Result::SUCCEEDED);
    record_.set_payload(MakePayload());
    context_.emplace();
    stub_.async()->RecordResult(&*context_, &record_, &recorded_,
                                [this](const grpc::Status& status) {
                                  if (!status.ok()) return Failed(status.error_message());
                                  Finished();
                                });
  }

  Stub& stub_;
  const Flow flow_;
  std::optional<grpc::ClientContext> context_;
  v1::AcquireLockRequest acquire_;
  v1::AcquireLockResponse granted_;
  v1::RecordResultRequest record_;
  v1::RecordResultResponse recorded_;
};

class UnaryDriver final : public Driver {
 public:
  UnaryDriver(const std::string& address, Flow flow, int concurrency) : flow_(flow) {
    for (const auto& channel : ConnectChannels(address, concurrency)) {
      stubs_.push_back(v1::CoordinationService::NewStub(channel));
    }
  }

  std::unique_ptr<FlowLoop> MakeLoop(int number) override {
    return std::make_unique<UnaryLoop>(*stubs_[static_cast<std::size_t>(number) % stubs_.size()],
                                       flow_);
  }

 private:
  const Flow flow_;
  std::vector<std::unique_ptr<Stub>> stubs_;
};

// Over the client library's own transport, below its leases and retries.
class SessionLoop final : public FlowLoop {
 public:
  SessionLoop(client::internal::Transport& session, Flow flow) : session_(session), flow_(flow) {}

 private:
  void Send() override {
    v1::AcquireLockRequest request;
    request.set_key(key());
    request.set_attempt_id(key());
    request.mutable_lease_duration()->set_seconds(kLeaseSeconds);
    request.set_holder_id("bench");
    session_.AcquireLock(std::move(request), {.timeout = kTimeout},
                         [this](const client::internal::CallStatus& status,
                                const v1::AcquireLockResponse& response) {
                           if (status.code != grpc::StatusCode::OK) return Failed(status.message);
                           if (!response.has_grant())
                             return Failed("no grant: " + response.ShortDebugString());
                           if (flow_ == Flow::kAcquire) return Finished();
                           Record(response.grant().fencing_token());
                         });
  }

  void Record(std::uint64_t fencing_token) {
    v1::RecordResultRequest request;
    request.set_key(key());
    request.set_fencing_token(fencing_token);
    request.set_outcome(v1::Result::SUCCEEDED);
    request.set_payload(MakePayload());
    session_.RecordResult(
        std::move(request), {.timeout = kTimeout},
        [this](const client::internal::CallStatus& status, const v1::RecordResultResponse&) {
          if (status.code != grpc::StatusCode::OK) return Failed(status.message);
          Finished();
        });
  }

  client::internal::Transport& session_;
  const Flow flow_;
};

class SessionDriver final : public Driver {
 public:
  SessionDriver(const std::string& address, Flow flow, const ClientOptions& client)
      : flow_(flow),
        session_(client::internal::MakeGrpcTransport(address, TransportKind::kSession, runtime_,
                                                     client)) {}
  ~SessionDriver() override {
    runtime_->Stop();
    session_->Shutdown();
  }

  std::unique_ptr<FlowLoop> MakeLoop(int) override {
    return std::make_unique<SessionLoop>(*session_, flow_);
  }

 private:
  const Flow flow_;
  const std::shared_ptr<client::internal::Runtime> runtime_ =
      std::make_shared<client::internal::SystemRuntime>();
  const std::shared_ptr<client::internal::Transport> session_;
};

}  // namespace

const char* NameOf(Transport transport) {
  switch (transport) {
    case Transport::kUnary:
      return "unary";
    case Transport::kSession:
      return "session";
  }
  return "";
}

std::unique_ptr<Driver> MakeLatchkeyDriver(Transport transport, const std::string& address,
                                           Flow flow, int concurrency,
                                           const ClientOptions& client) {
  switch (transport) {
    case Transport::kUnary:
      return std::make_unique<UnaryDriver>(address, flow, concurrency);
    case Transport::kSession:
      return std::make_unique<SessionDriver>(address, flow, client);
  }
  return nullptr;
}

}  // namespace latchkey::bench
