#include "tools/process/etcd_cluster.h"

#include <cstdlib>
#include <utility>

#include "etcd/kv.grpc.pb.h"
#include "tools/process/server_process.h"
#include <grpcpp/grpcpp.h>

namespace latchkey {
namespace {

constexpr std::chrono::seconds kPatience(30);

std::string Url(const FreePort& port, bool tls = false) {
  return (tls ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(port.number());
}

std::string NameOf(std::size_t member) { return "m" + std::to_string(member); }

}  // namespace

std::string EtcdProgram() {
  const char* named = std::getenv("LATCHKEY_TEST_ETCD");
  return named != nullptr ? named : "/usr/bin/etcd";
}

absl::StatusOr<std::unique_ptr<EtcdCluster>> EtcdCluster::Start(const std::string& directory,
                                                                const EtcdClusterOptions& options) {
  std::unique_ptr<EtcdCluster> cluster(new EtcdCluster(directory, options));
  for (int i = 0; i < options.members; ++i) {
    auto client_port = FreePort::Take();
    if (!client_port.ok()) return client_port.status();
    auto peer_port = FreePort::Take();
    if (!peer_port.ok()) return peer_port.status();
    cluster->members_.push_back(std::unique_ptr<Member>(
        new Member{*std::move(client_port), *std::move(peer_port), nullptr}));
  }
  for (std::size_t i = 0; i < cluster->size(); ++i) {
    if (absl::Status started = cluster->Restart(i); !started.ok()) return started;
  }
  for (std::size_t i = 0; i < cluster->size() && !options.tls; ++i) {
    if (absl::Status answers = cluster->Await(i); !answers.ok()) return answers;
  }
  return cluster;
}

std::string EtcdCluster::address(std::size_t member) const {
  return "127.0.0.1:" + std::to_string(members_[member]->client_port.number());
}

std::string EtcdCluster::addresses() const {
  std::string all;
  for (std::size_t i = 0; i < size(); ++i) {
    if (i > 0) all += ',';
    all += address(i);
  }
  return all;
}

absl::Status EtcdCluster::Restart(std::size_t member) {
  std::string all;
  for (std::size_t i = 0; i < size(); ++i) {
    if (i > 0) all += ',';
    all += NameOf(i) + "=" + Url(members_[i]->peer_port);
  }
  Member& one = *members_[member];
  const std::string name = NameOf(member);
  Program program{{options_.program, "--name=" + name, "--data-dir=" + directory_ + "/" + name,
                   "--listen-client-urls=" + Url(one.client_port, options_.tls),
                   "--advertise-client-urls=" + Url(one.client_port, options_.tls),
                   "--listen-peer-urls=" + Url(one.peer_port),
                   "--initial-advertise-peer-urls=" + Url(one.peer_port),
                   "--initial-cluster=" + all, "--logger=zap", "--log-level=warn"},
                  directory_ + "/" + name + ".log"};
  if (options_.hasty) {
    for (const char* argument :
         {"--unsafe-no-fsync", "--heartbeat-interval=50", "--election-timeout=500"}) {
      program.command.emplace_back(argument);
    }
  }
  for (const std::string& argument : options_.arguments) program.command.push_back(argument);
  auto process = ChildProcess::Start(program);
  if (!process.ok()) return process.status();
  one.process = std::make_unique<ChildProcess>(*std::move(process));
  return absl::OkStatus();
}

absl::Status EtcdCluster::Await(std::size_t member) const {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 500);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
  const auto stub = etcdserverpb::KV::NewStub(
      grpc::CreateCustomChannel(address(member), grpc::InsecureChannelCredentials(), arguments));
  const auto until = std::chrono::system_clock::now() + kPatience;
  grpc::Status status;
  do {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(until);
    etcdserverpb::RangeRequest request;
    request.set_key("any");
    etcdserverpb::RangeResponse response;
    status = stub->Range(&context, request, &response);
    if (status.ok() || status.error_code() == grpc::StatusCode::INVALID_ARGUMENT) {
      return absl::OkStatus();
    }
  } while (std::chrono::system_clock::now() < until);
  return absl::UnavailableError("etcd does not answer: " + status.error_message() + "; " +
                                LastLineOf(directory_ + "/" + NameOf(member) + ".log"));
}

}  // namespace latchkey
