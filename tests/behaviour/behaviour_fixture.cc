#include "tests/behaviour/behaviour_fixture.h"

#include <thread>

#include "client/src/grpc_transport.h"
#include "client/src/system_runtime.h"
#include "server/machine/proto_time.h"
#include "storage/etcd/etcd_record_store.h"
#include "storage/memory_record_store.h"
#include "storage/rocksdb/rocksdb_record_store.h"
#include "tools/process/etcd_cluster.h"
#include <google/rpc/status.pb.h>

namespace latchkey {
namespace {

constexpr auto kCallTimeout = 60s;
constexpr auto kAwaitTimeout = 30s;

// One for all tests of this process; each has its own prefix.
EtcdCluster& SharedEtcd() {
  static const TemporaryDirectory directory;
  static const auto started = EtcdCluster::Start(directory.path());
  if (!started.ok()) {
    ADD_FAILURE() << started.status();
    std::abort();
  }
  return **started;
}

std::string NextPrefix() {
  static int last = 0;
  return "test" + std::to_string(++last);
}

template <class Request>
void Apply(const std::function<void(Request&)>& change, Request& request) {
  if (change) change(request);
}

template <class Stub, class Request, class Response>
Reply<Response> SendOn(Stub& stub, const std::string& token, const Request& request,
                       grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                    Response*)) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  if (!token.empty()) context.AddMetadata("authorization", "Bearer " + token);
  Reply<Response> reply;
  reply.status = (stub.*method)(&context, request, &reply.response);
  return reply;
}

}  // namespace

std::optional<google::rpc::ErrorInfo> ErrorInfoOf(const grpc::Status& status) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return std::nullopt;
  google::rpc::ErrorInfo info;
  for (const auto& detail : details.details()) {
    if (detail.UnpackTo(&info)) return info;
  }
  return std::nullopt;
}

// The client library's session, waited for.
class BehaviourTest::BlockingSession {
 public:
  BlockingSession(const std::string& address, const std::string& token)
      : transport_(client::internal::MakeGrpcTransport(address, TransportKind::kSession, runtime_,
                                                       {.token = token})) {}
  ~BlockingSession() {
    runtime_->Stop();
    transport_->Shutdown();
  }

  Reply<v1::AcquireLockResponse> Send(const v1::AcquireLockRequest& request) {
    return Await(&Transport::AcquireLock, request);
  }
  Reply<v1::RenewLeaseResponse> Send(const v1::RenewLeaseRequest& request) {
    return Await(&Transport::RenewLease, request);
  }
  Reply<v1::CheckResultResponse> Send(const v1::CheckResultRequest& request) {
    return Await(&Transport::CheckResult, request);
  }
  Reply<v1::RecordResultResponse> Send(const v1::RecordResultRequest& request) {
    return Await(&Transport::RecordResult, request);
  }
  Reply<v1::ReleaseResponse> Send(const v1::ReleaseRequest& request) {
    return Await(&Transport::Release, request);
  }

 private:
  using Transport = client::internal::Transport;

  template <class Request, class Response>
  Reply<Response> Await(void (Transport::*method)(Request, client::internal::TryLimits,
                                                  client::internal::Done<Response>),
                        const Request& request) {
    auto answered = std::make_shared<std::promise<Reply<Response>>>();
    ((*transport_).*method)(
        request, {.timeout = kCallTimeout},
        [answered](const client::internal::CallStatus& status, Response response) {
          answered->set_value(
              {grpc::Status(status.code, status.message, status.details), std::move(response)});
        });
    return answered->get_future().get();
  }

  const std::shared_ptr<client::internal::SystemRuntime> runtime_ =
      std::make_shared<client::internal::SystemRuntime>();
  const std::shared_ptr<Transport> transport_;
};

template <class Request, class Response>
Reply<Response> BehaviourTest::Send(const Request& request,
                                    grpc::Status (v1::CoordinationService::Stub::*method)(
                                        grpc::ClientContext*, const Request&, Response*)) {
  auto& stub = coordination();  // starts the server, if that was not done before
  return session_ != nullptr ? session_->Send(request) : SendOn(stub, token_, request, method);
}

BehaviourTest::BehaviourTest() : etcd_prefix_(NextPrefix()) {}

BehaviourTest::~BehaviourTest() { StopServer(); }

void BehaviourTest::StartServer(const std::function<void(ServerOptions&)>& change) {
  StopServer();
  ServerOptions options;
  options.store_name = GetParam();
  change(options);
  std::unique_ptr<storage::RecordStore> store;
  if (over_etcd()) {
    auto opened = storage::EtcdRecordStore::Open(
        {.endpoints = {SharedEtcd().address(0)}, .prefix = etcd_prefix_}, clock_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store = *std::move(opened);
  } else if (on_disk()) {
    auto opened = storage::RocksDbRecordStore::Open(directory_.store(), {});
    ASSERT_TRUE(opened.ok()) << opened.status();
    store = *std::move(opened);
  } else {
    using Sharing = storage::MemoryRecordStore::Sharing;
    store = std::make_unique<storage::MemoryRecordStore>(shared() ? Sharing::kShared
                                                                  : Sharing::kExclusive);
  }
  prepare_store(*store);
  auto started = Server::Start(options, std::move(store), clock_, observer_, {});
  ASSERT_TRUE(started.ok()) << started.status();
  server_ = *std::move(started);
  auto channel = grpc::CreateChannel(address(), grpc::InsecureChannelCredentials());
  coordination_ = v1::CoordinationService::NewStub(channel);
  admin_ = v1::AdminService::NewStub(channel);
  ActAs(token_);
}

void BehaviourTest::ActAs(const std::string& token) {
  token_ = token;
  if (over_session()) session_ = std::make_unique<BlockingSession>(address(), token_);
}

void BehaviourTest::StopServer() {
  if (server_ == nullptr) return;
  EXPECT_TRUE(server_->Shutdown(1s).ok());
  server_.reset();
  session_.reset();
}

v1::CoordinationService::Stub& BehaviourTest::coordination() {
  if (server_ == nullptr) StartServer();
  return *coordination_;
}

v1::AdminService::Stub& BehaviourTest::admin() {
  if (server_ == nullptr) StartServer();
  return *admin_;
}

std::string BehaviourTest::address() const {
  return "127.0.0.1:" + std::to_string(server_->port());
}

Reply<v1::AcquireLockResponse> BehaviourTest::Acquire(
    const std::string& key, const std::string& attempt_id,
    const Change<v1::AcquireLockRequest>& change) {
  v1::AcquireLockRequest request;
  request.set_key(key);
  request.set_attempt_id(attempt_id);
  request.mutable_lease_duration()->set_seconds(30);
  Apply(change, request);
  return Send(request, &v1::CoordinationService::Stub::AcquireLock);
}

std::future<Reply<v1::AcquireLockResponse>> BehaviourTest::AcquireAsync(
    const std::string& key, const std::string& attempt_id,
    const Change<v1::AcquireLockRequest>& change) {
  coordination();  // not from two threads at once
  return std::async(std::launch::async, [=, this] { return Acquire(key, attempt_id, change); });
}

Reply<v1::RenewLeaseResponse> BehaviourTest::Renew(const std::string& key, std::uint64_t token,
                                                   const Change<v1::RenewLeaseRequest>& change) {
  v1::RenewLeaseRequest request;
  request.set_key(key);
  request.set_fencing_token(token);
  Apply(change, request);
  return Send(request, &v1::CoordinationService::Stub::RenewLease);
}

Reply<v1::CheckResultResponse> BehaviourTest::Check(const std::string& key,
                                                    const Change<v1::CheckResultRequest>& change) {
  v1::CheckResultRequest request;
  request.set_key(key);
  Apply(change, request);
  return Send(request, &v1::CoordinationService::Stub::CheckResult);
}

Reply<v1::RecordResultResponse> BehaviourTest::Record(
    const std::string& key, std::uint64_t token, const Change<v1::RecordResultRequest>& change) {
  v1::RecordResultRequest request;
  request.set_key(key);
  request.set_fencing_token(token);
  request.set_outcome(v1::Result::SUCCEEDED);
  request.set_provider_reference("pay_1");
  Apply(change, request);
  return Send(request, &v1::CoordinationService::Stub::RecordResult);
}

Reply<v1::ReleaseResponse> BehaviourTest::Release(const std::string& key, std::uint64_t token,
                                                  v1::ReleaseRequest::Effect effect) {
  v1::ReleaseRequest request;
  request.set_key(key);
  request.set_fencing_token(token);
  request.set_effect(effect);
  return Send(request, &v1::CoordinationService::Stub::Release);
}

v1::Record BehaviourTest::Get(const std::string& key) {
  v1::GetRecordRequest request;
  request.set_key(key);
  auto reply = SendOn(admin(), token_, request, &v1::AdminService::Stub::GetRecord);
  EXPECT_TRUE(reply.ok()) << reply.reason();
  return reply.response.record();
}

namespace {

template <class Request>
Request AdminRequest(const std::string& key, std::uint64_t token) {
  Request request;
  request.set_key(key);
  request.set_expected_fencing_token(token);
  request.set_actor("oncall@example.com");
  request.set_reason("checked with the provider");
  return request;
}

}  // namespace

Reply<v1::ResolveOutcomeResponse> BehaviourTest::Resolve(
    const std::string& key, std::uint64_t token, v1::ResolveOutcomeRequest::Outcome outcome) {
  auto request = AdminRequest<v1::ResolveOutcomeRequest>(key, token);
  request.set_outcome(outcome);
  return SendOn(admin(), token_, request, &v1::AdminService::Stub::ResolveOutcome);
}

Reply<v1::ForceReleaseResponse> BehaviourTest::ForceRelease(const std::string& key,
                                                            std::uint64_t token) {
  return SendOn(admin(), token_, AdminRequest<v1::ForceReleaseRequest>(key, token),
                &v1::AdminService::Stub::ForceRelease);
}

Reply<v1::DeleteRecordResponse> BehaviourTest::Delete(const std::string& key, std::uint64_t token) {
  return SendOn(admin(), token_, AdminRequest<v1::DeleteRecordRequest>(key, token),
                &v1::AdminService::Stub::DeleteRecord);
}

Reply<v1::ListRecordsResponse> BehaviourTest::List(const Change<v1::ListRecordsRequest>& change) {
  v1::ListRecordsRequest request;
  Apply(change, request);
  return SendOn(admin(), token_, request, &v1::AdminService::Stub::ListRecords);
}

std::uint64_t BehaviourTest::MustAcquire(const std::string& key, const std::string& attempt_id,
                                         const Change<v1::AcquireLockRequest>& change) {
  const auto reply = Acquire(key, attempt_id, change);
  EXPECT_TRUE(reply->has_grant()) << reply.reason() << reply->ShortDebugString();
  return reply->grant().fencing_token();
}

std::uint64_t BehaviourTest::MakeDoubtful(const std::string& key,
                                          const Change<v1::AcquireLockRequest>& change) {
  const std::uint64_t token = MustAcquire(key, "vanished", [&](v1::AcquireLockRequest& request) {
    SetProto(100ms, request.mutable_lease_duration());
    Apply(change, request);
  });
  AwaitState(key, State::IN_DOUBT);
  return token;
}

void BehaviourTest::Await(const std::function<bool()>& condition, const std::string& what) {
  const auto until = std::chrono::steady_clock::now() + kAwaitTimeout;
  while (!condition()) {
    ASSERT_LT(std::chrono::steady_clock::now(), until) << "waited in vain for: " << what;
    std::this_thread::yield();
  }
}

void BehaviourTest::AwaitState(const std::string& key, State::State state) {
  Await([&] { return Check(key)->state() == state; }, key + " to be " + State::State_Name(state));
}

void BehaviourTest::AwaitWaiters(const std::string& key, std::uint32_t waiters) {
  Await([&] { return Get(key).waiters() == waiters; },
        std::to_string(waiters) + " waiters on " + key);
}

}  // namespace latchkey
