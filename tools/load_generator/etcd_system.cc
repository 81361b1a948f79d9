#include "tools/load_generator/etcd_system.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "etcd/kv.grpc.pb.h"
#include "etcd/lock.grpc.pb.h"
#include "tools/load_generator/channels.h"
#include "tools/load_generator/free_port.h"
#include "tools/load_generator/own_systems.h"
#include "tools/process/server_process.h"
#include <grpcpp/grpcpp.h>

namespace latchkey::bench {
namespace {

constexpr char kEtcd[] = "/usr/bin/etcd";
constexpr int kLeaseSeconds = 3600;
constexpr std::chrono::seconds kPatience(30);

// The services over one connection.
struct Stubs {
  explicit Stubs(const std::shared_ptr<grpc::Channel>& channel)
      : kv(etcdserverpb::KV::NewStub(channel)), lock(v3lockpb::Lock::NewStub(channel)) {}
  std::unique_ptr<etcdserverpb::KV::Stub> kv;
  std::unique_ptr<v3lockpb::Lock::Stub> lock;
};

std::string ResultKey(const std::string& key) { return "result/" + key; }
std::string LockKey(const std::string& key) { return "lock/" + key; }

class LockLoop final : public FlowLoop {
 public:
  LockLoop(Stubs& stubs, std::int64_t lease) : stubs_(stubs) { lock_.set_lease(lease); }

 private:
  void Send() override {
    lock_.set_name(LockKey(key()));
    context_.emplace();
    stubs_.lock->async()->Lock(&*context_, &lock_, &locked_, [this](const grpc::Status& status) {
      if (!status.ok()) return Failed("Lock: " + status.error_message());
      Look();
    });
  }

  void Look() {
    range_.set_key(ResultKey(key()));
    found_.Clear();
    context_.emplace();
    stubs_.kv->async()->Range(&*context_, &range_, &found_, [this](const grpc::Status& status) {
      if (!status.ok()) return Failed("Range: " + status.error_message());
      if (found_.count() != 0) return Failed("a fresh key has a result");
      Record();
    });
  }

  void Record() {
    put_.set_key(ResultKey(key()));
    put_.set_value(MakePayload());
    context_.emplace();
    stubs_.kv->async()->Put(&*context_, &put_, &stored_, [this](const grpc::Status& status) {
      if (!status.ok()) return Failed("Put: " + status.error_message());
      Unlock();
    });
  }

  void Unlock() {
    unlock_.set_key(locked_.key());
    context_.emplace();
    stubs_.lock->async()->Unlock(&*context_, &unlock_, &unlocked_,
                                 [this](const grpc::Status& status) {
                                   if (!status.ok())
                                     return Failed("Unlock: " + status.error_message());
                                   Finished();
                                 });
  }

  Stubs& stubs_;
  std::optional<grpc::ClientContext> context_;
  v3lockpb::LockRequest lock_;
  v3lockpb::LockResponse locked_;
  etcdserverpb::RangeRequest range_;
  etcdserverpb::RangeResponse found_;
  etcdserverpb::PutRequest put_;
  etcdserverpb::PutResponse stored_;
  v3lockpb::UnlockRequest unlock_;
  v3lockpb::UnlockResponse unlocked_;
};

class TransactionLoop final : public FlowLoop {
 public:
  TransactionLoop(Stubs& stubs, std::int64_t lease) : stubs_(stubs), lease_(lease) {}

 private:
  void Send() override {
    transaction_.Clear();
    for (const std::string& absent : {LockKey(key()), ResultKey(key())}) {
      auto& compare = *transaction_.add_compare();
      compare.set_key(absent);
      compare.set_target(etcdserverpb::Compare::VERSION);
      compare.set_version(0);
    }
    auto& put = *transaction_.add_success()->mutable_request_put();
    put.set_key(LockKey(key()));
    put.set_value("bench");
    put.set_lease(lease_);
    for (const std::string& present : {LockKey(key()), ResultKey(key())}) {
      transaction_.add_failure()->mutable_request_range()->set_key(present);
    }
    Call([this] { Record(); });
  }

  void Record() {
    // The revision of the first transaction is the one that the lock was created at.
    const std::int64_t created = response_.header().revision();
    transaction_.Clear();
    auto& compare = *transaction_.add_compare();
    compare.set_key(LockKey(key()));
    compare.set_target(etcdserverpb::Compare::CREATE);
    compare.set_create_revision(created);
    auto& put = *transaction_.add_success()->mutable_request_put();
    put.set_key(ResultKey(key()));
    put.set_value(MakePayload());
    transaction_.add_success()->mutable_request_delete_range()->set_key(LockKey(key()));
    Call([this] { Finished(); });
  }

  template <typename Then>
  void Call(Then then) {
    response_.Clear();
    context_.emplace();
    stubs_.kv->async()->Txn(&*context_, &transaction_, &response_,
                            [this, then](const grpc::Status& status) {
                              if (!status.ok()) return Failed("Txn: " + status.error_message());
                              if (!response_.succeeded()) return Failed("a comparison failed");
                              then();
                            });
  }

  Stubs& stubs_;
  const std::int64_t lease_;
  std::optional<grpc::ClientContext> context_;
  etcdserverpb::TxnRequest transaction_;
  etcdserverpb::TxnResponse response_;
};

template <typename Loop>
class EtcdDriver final : public Driver {
 public:
  EtcdDriver(const std::string& address, std::int64_t lease, int concurrency) : lease_(lease) {
    for (const auto& channel : ConnectChannels(address, concurrency)) stubs_.emplace_back(channel);
  }

  std::unique_ptr<FlowLoop> MakeLoop(int number) override {
    return std::make_unique<Loop>(stubs_[static_cast<std::size_t>(number) % stubs_.size()], lease_);
  }

 private:
  std::vector<Stubs> stubs_;
  const std::int64_t lease_;
};

// Waits until the server answers; the lease that it grants.
absl::StatusOr<std::int64_t> GrantLease(const std::string& address) {
  const auto stub = etcdserverpb::Lease::NewStub(
      grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
  etcdserverpb::LeaseGrantRequest request;
  request.set_ttl(kLeaseSeconds);
  etcdserverpb::LeaseGrantResponse granted;
  const grpc::Status status = stub->LeaseGrant(&context, request, &granted);
  if (!status.ok()) return absl::UnavailableError("LeaseGrant: " + status.error_message());
  return granted.id();
}

template <typename Loop>
class RunningEtcd final : public Running {
 public:
  RunningEtcd(FreePort port, ChildProcess process, std::int64_t lease)
      : port_(std::move(port)), process_(std::move(process)), lease_(lease) {}

  absl::StatusOr<std::unique_ptr<Driver>> Connect(int concurrency) override {
    return std::make_unique<EtcdDriver<Loop>>("127.0.0.1:" + std::to_string(port_.number()), lease_,
                                              concurrency);
  }

 private:
  const FreePort port_;
  ChildProcess process_;
  const std::int64_t lease_;
};

template <typename Loop>
absl::StatusOr<std::unique_ptr<Running>> StartEtcd(const std::filesystem::path& directory) {
  auto port = FreePort::Take();
  if (!port.ok()) return port.status();
  const auto peer_port = FreePort::Take();  // one member has none, but listens all the same
  if (!peer_port.ok()) return peer_port.status();
  const std::string address = "127.0.0.1:" + std::to_string(port->number());
  const std::string peer = "http://127.0.0.1:" + std::to_string(peer_port->number());
  const std::string log = (directory / "log").string();
  auto process = ChildProcess::Start(
      {{kEtcd, "--name=bench", "--data-dir=" + (directory / "data").string(),
        "--listen-client-urls=http://" + address, "--advertise-client-urls=http://" + address,
        "--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer,
        "--initial-cluster=bench=" + peer, "--logger=zap", "--log-level=warn"},
       log});
  if (!process.ok()) return process.status();
  const auto lease = GrantLease(address);
  if (!lease.ok()) {
    return absl::UnavailableError(std::string(lease.status().message()) + "; " + LastLineOf(log));
  }
  return std::make_unique<RunningEtcd<Loop>>(*std::move(port), *std::move(process), *lease);
}

template <typename Loop>
System MakeSystem(const char* name) {
  return {.name = name,
          .transport = "native",
          .version = VersionOf(kEtcd),
          .durability = "fdatasync before every reply",
          .connections_max = 0,
          .start = StartEtcd<Loop>};
}

}  // namespace

System EtcdLockSystem() { return MakeSystem<LockLoop>("etcd-lock"); }

System EtcdTransactionSystem() { return MakeSystem<TransactionLoop>("etcd-txn"); }

}  // namespace latchkey::bench
