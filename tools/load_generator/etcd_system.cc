#include "tools/load_generator/etcd_system.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "etcd/kv.grpc.pb.h"
#include "etcd/lock.grpc.pb.h"
#include "tools/load_generator/channels.h"
#include "tools/load_generator/own_systems.h"
#include "tools/process/etcd_cluster.h"
#include <grpcpp/grpcpp.h>

namespace latchkey::bench {
namespace {

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

// Its connections are spread over the members.
template <typename Loop>
class EtcdDriver final : public Driver {
 public:
  EtcdDriver(const EtcdCluster& cluster, std::int64_t lease, int concurrency) : lease_(lease) {
    std::vector<std::vector<std::shared_ptr<grpc::Channel>>> of_members;
    for (std::size_t i = 0; i < cluster.size(); ++i) {
      of_members.push_back(ConnectChannels(cluster.address(i), concurrency));
    }
    for (std::size_t i = 0; i < of_members.front().size(); ++i) {
      for (const auto& channels : of_members) stubs_.emplace_back(channels[i]);
    }
  }

  std::unique_ptr<FlowLoop> MakeLoop(int number) override {
    return std::make_unique<Loop>(stubs_[static_cast<std::size_t>(number) % stubs_.size()], lease_);
  }

 private:
  std::vector<Stubs> stubs_;
  const std::int64_t lease_;
};

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
  RunningEtcd(std::unique_ptr<EtcdCluster> cluster, std::int64_t lease)
      : cluster_(std::move(cluster)), lease_(lease) {}

  absl::StatusOr<std::unique_ptr<Driver>> Connect(int concurrency) override {
    return std::make_unique<EtcdDriver<Loop>>(*cluster_, lease_, concurrency);
  }

 private:
  const std::unique_ptr<EtcdCluster> cluster_;
  const std::int64_t lease_;
};

template <typename Loop>
absl::StatusOr<std::unique_ptr<Running>> StartEtcd(const std::filesystem::path& directory,
                                                   int members) {
  auto cluster = EtcdCluster::Start(directory.string(), {.members = members, .hasty = false});
  if (!cluster.ok()) return cluster.status();
  const auto lease = GrantLease((*cluster)->address(0));
  if (!lease.ok()) return lease.status();
  return std::make_unique<RunningEtcd<Loop>>(*std::move(cluster), *lease);
}

template <typename Loop>
System MakeSystem(const char* name, int members) {
  return {.name = name,
          .transport = "native",
          .version = VersionOf(EtcdProgram()),
          .durability = "fdatasync before every reply",
          .connections_max = 0,
          .start = [members](const std::filesystem::path& directory) {
            return StartEtcd<Loop>(directory, members);
          }};
}

}  // namespace

System EtcdLockSystem(int members) { return MakeSystem<LockLoop>("etcd-lock", members); }

System EtcdTransactionSystem(int members) {
  return MakeSystem<TransactionLoop>("etcd-txn", members);
}

}  // namespace latchkey::bench
