#include "server/service/server.h"

#include "base/failpoint.h"
#include "latchkey/v1/admin.pb.h"
#include "server/calls/call_environment.h"
#include "server/machine/proto_time.h"
#include "server/service/admin_service.h"
#include "server/service/coordination_service.h"
#include "server/service/record_lister.h"
#include "server/service/reflection_service.h"
#include "server/service/server_status.h"
#include "server/service/stored_bytes.h"
#include "storage/record_store.h"
#include <grpc/health/v1/health.pb.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

namespace latchkey {
namespace {

// Above the largest payload, because an outcome is never refused for its size: what is over the
// payload limit is left out, but it has to arrive first.
constexpr int kReceiveBytesMax = 16 * 1024 * 1024;

// A peer that answers no ping for so long is frozen or its machine gone, and its connection is
// closed: its waits end, and what it will never read takes no more of the reply budget.
constexpr int kPingEveryMs = 20'000;
constexpr int kPingAnswerMs = 10'000;
// How often clients may ping, of their own accord.
constexpr int kClientPingEveryMs = 5'000;

constexpr const char* kServiceNames[] = {"latchkey.v1.CoordinationService",
                                         "latchkey.v1.AdminService"};

void KeepAlive(grpc::ServerBuilder& builder) {
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kPingEveryMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingAnswerMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // no bound
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kClientPingEveryMs);
}

void SetHealth(grpc::Server& server, bool serving) {
  auto* health = server.GetHealthCheckService();
  health->SetServingStatus(serving);
  for (const char* name : kServiceNames) health->SetServingStatus(name, serving);
}

}  // namespace

struct Server::Services {
  Services(const CallEnvironment& call_environment, Server& server)
      : environment(call_environment),
        lister(environment, *server.store_),
        watches(environment, *server.changes_, lister, server.store_changes_.get()),
        store_admin(
            environment, *server.store_, server.fail_stop_, server.options_.backup_directory,
            [&server](const v1::AuditEntry& done) { server.observer_.OnStoreAction(done); }),
        coordination(environment),
        admin(environment, lister, watches, store_admin,
              [&server](v1::GetServerStatusResponse* response) { server.FillStatus(response); }),
        reflection(call_environment.access) {}

  const CallEnvironment environment;
  RecordLister lister;
  RecordWatches watches;
  StoreAdmin store_admin;
  CoordinationService coordination;
  AdminService admin;
  ReflectionService reflection;
};

absl::StatusOr<std::unique_ptr<Server>> Server::Start(
    ServerOptions options, std::unique_ptr<storage::RecordStore> store, Clock& clock,
    PartitionObserver& observer, std::function<void(const std::string& why)> on_failure) {
  Failpoint("opened_store");
  std::unique_ptr<Server> server(
      new Server(std::move(options), std::move(store), clock, observer, std::move(on_failure)));
  if (auto started = server->StartParts(); !started.ok()) return started;
  Failpoint("starting_service");
  if (auto started = server->StartGrpc(); !started.ok()) return started;
  return server;
}

Server::Server(ServerOptions options, std::unique_ptr<storage::RecordStore> store, Clock& clock,
               PartitionObserver& observer, std::function<void(const std::string&)> on_failure)
    : options_(std::move(options)),
      namespaces_(options_.namespaces),
      access_(options_.access == nullptr ? nullptr : std::make_unique<Access>(options_.access)),
      store_(std::move(store)),
      clock_(clock),
      fail_stop_(std::move(on_failure)),
      reply_budget_(options_.limits.reply_bytes_in_flight),
      started_at_(clock.Monotonic()),
      observer_(observer) {}

Server::~Server() { (void)Shutdown(Duration::zero()); }

absl::Status Server::StartParts() {
  auto retention =
      Retention::Start(*store_, namespaces_, clock_, {options_.accept_clock_step, options_.limits});
  if (!retention.ok()) return retention.status();
  retention_ = *std::move(retention);
  changes_ = store_->exclusive()
                 ? std::make_unique<ChangeFeed>(options_.limits, retention_->first_watch_revision())
                 : std::make_unique<ChangeFeed>(options_.limits);
  housekeeper_ = std::make_unique<Housekeeper>(*store_, *retention_, fail_stop_, observer_,
                                               options_.storage_reserve_bytes);
  PartitionEnvironment environment;
  environment.limits = &options_.limits;
  environment.namespaces = &namespaces_;
  environment.clock = &clock_;
  environment.store = store_.get();
  environment.retention = retention_.get();
  environment.live_counts = &live_counts_;
  environment.fail_stop = &fail_stop_;
  environment.observer = &observer_;
  if (options_.meter != nullptr) environment.meter = options_.meter;
  environment.changes = changes_.get();
  environment.storage_full = &housekeeper_->storage_full();
  environment.quotas = &quotas_;
  if (!store_->exclusive()) store_changes_ = std::make_unique<StoreChanges>(environment);
  partitions_ = std::make_unique<Partitions>(environment, options_.partitions);
  absl::Status started = partitions_->Start();
  if (!absl::IsDataLoss(started)) return started;
  return absl::DataLossError(
      options_.store_name +
      ": which keys are held or in doubt cannot be read, so nothing is served: " +
      std::string(started.message()) + "; put back a copy of the directory");
}

absl::Status Server::StartGrpc() {
  services_ = std::make_unique<Services>(
      CallEnvironment{options_.limits, namespaces_, clock_, *retention_, *partitions_,
                      reply_budget_, fail_stop_, shut_down_, access_.get(),
                      options_.meter == nullptr ? Meter::None() : *options_.meter},
      *this);
  stored_bytes_ = std::make_unique<StoredBytes>(*store_, namespaces_, live_counts_, quotas_);
  housekeeper_->Start([this] { KeepHouse(); });
  grpc::EnableDefaultHealthCheckService(true);
  // gRPC's own health service has no descriptor; naming ours links it, so that reflection can show
  // it.
  (void)grpc::health::v1::HealthCheckRequest::descriptor();
  grpc::ServerBuilder builder;
  // Otherwise a second server on the same port would start and share its connections.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.SetMaxReceiveMessageSize(kReceiveBytesMax);
  // A stock client has one connection for all its calls, and holds back what goes over the bound:
  // also the Release that the calls before it wait for. So it lies above all that may wait or
  // queue, and only what is refused or answered anyway can reach it.
  builder.AddChannelArgument(
      GRPC_ARG_MAX_CONCURRENT_STREAMS,
      static_cast<int>(options_.limits.waiters_total + options_.limits.queued_calls));
  KeepAlive(builder);
  builder.AddListeningPort(
      options_.listen_address,
      options_.credentials != nullptr ? options_.credentials : grpc::InsecureServerCredentials(),
      &port_);
  builder.RegisterService(&services_->coordination);
  builder.RegisterService(&services_->admin);
  builder.RegisterService(&services_->reflection);
  if (options_.configure_grpc) options_.configure_grpc(builder);
  grpc_server_ = builder.BuildAndStart();
  if (grpc_server_ == nullptr || port_ == 0) {
    return absl::UnavailableError("cannot listen on " + options_.listen_address);
  }
  SetHealth(*grpc_server_, true);
  return absl::OkStatus();
}

void Server::KeepHouse() {
  services_->coordination.sessions().BreakUnread(clock_.Monotonic());
  stored_bytes_->LookNowAndThen();
  services_->watches.Tick();
  retention_->NoteWatchRevision(changes_->revision());
}

// First it is written down what may be forgotten under them, then it may be.
absl::Status Server::ReplaceNamespaces(const Namespaces& next) {
  if (absl::Status saved = retention_->SaveFor(next); !saved.ok()) {
    if (storage::HasFailed(*store_, saved)) fail_stop_.Trip(std::string(saved.message()));
    return saved;
  }
  namespaces_.Replace(next);
  return absl::OkStatus();
}

void Server::ReplaceAccess(std::shared_ptr<const AccessRules> rules) {
  access_->Replace(std::move(rules));
  services_->coordination.sessions().CheckCallers();
  services_->watches.CheckCallers();
}

absl::Status Server::Shutdown(Duration drain) {
  if (shut_down_.exchange(true)) return absl::OkStatus();
  if (grpc_server_ != nullptr) SetHealth(*grpc_server_, false);
  if (partitions_ != nullptr) partitions_->EndAllWaits();
  // Before gRPC, which waits for every call and cannot cut a listing off.
  if (services_ != nullptr) {
    services_->coordination.sessions().Drain();
    services_->lister.Stop();
    services_->watches.Stop();
    services_->store_admin.Stop();
  }
  if (grpc_server_ != nullptr) {
    grpc_server_->Shutdown(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                        gpr_time_from_nanos(drain.count(), GPR_TIMESPAN)));
  }
  if (housekeeper_ != nullptr) housekeeper_->Stop();
  Failpoint("drained");
  if (partitions_ != nullptr) partitions_->Stop();
  absl::Status saved;
  if (retention_ != nullptr && !fail_stop_.tripped()) saved = retention_->Save();
  // A shared store that is away has what is needed; only the last seconds of a clock are not in it.
  if (!storage::HasFailed(*store_, saved)) saved = absl::OkStatus();
  Failpoint("closing_store");
  // In any case: it ends the compactions, which ask `retention_`.
  absl::Status closed = store_->Close();
  return saved.ok() ? closed : saved;
}

void Server::FillStatus(v1::GetServerStatusResponse* response) const {
  const MonotonicTime now = clock_.Monotonic();
  response->set_version(LATCHKEY_VERSION);
  response->set_store(options_.store_name);
  response->set_serving(serving());
  SetProto(now - started_at_, response->mutable_uptime());
  response->set_fencing_token(store_->HighestToken());
  response->set_waiters(static_cast<std::uint32_t>(partitions_->waiters()));
  response->set_storage_full(housekeeper_->storage_full().load());
  response->set_storage_free_bytes(housekeeper_->free_bytes());
  response->set_storage_reserve_bytes(housekeeper_->reserve_bytes());
  SetProto(retention_->At(now).retention, response->mutable_retention_clock());
  response->set_clock_in_doubt(retention_->clock_in_doubt());
  FillRestore(retention_->restore(), response);
  for (const auto& done : retention_->audit()) *response->add_audit() = done;
  response->set_backup_running(services_->store_admin.backup_running());
  response->set_partitions(static_cast<std::uint32_t>(partitions_->count()));
  FillLimits(options_.limits, response->mutable_limits());
  FillNamespaces(namespaces_, live_counts_, quotas_, *retention_, response);
}

Gauges Server::ReadGauges() const {
  Gauges gauges;
  gauges.waiters = partitions_->waiters();
  gauges.queue_lengths = partitions_->queue_lengths();
  gauges.sessions = services_->coordination.sessions().count();
  gauges.fencing_token = store_->HighestToken();
  gauges.live = live_counts_.All();
  gauges.expired_records = retention_->expired_records();
  gauges.retention_clock = retention_->At(clock_.Monotonic()).retention;
  return gauges;
}

}  // namespace latchkey
