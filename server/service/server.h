// A whole Latchkey server in one object: store, partitions, housekeeping, gRPC. latchkeyd is a thin
// main() around it, and tests run it in their own process.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "server/access/access.h"
#include "server/calls/reply_budget.h"
#include "server/machine/limits.h"
#include "server/machine/namespaces.h"
#include "server/partition/change_feed.h"
#include "server/partition/fail_stop.h"
#include "server/partition/live_counts.h"
#include "server/partition/partition.h"
#include "server/partition/partitions.h"
#include "server/partition/quotas.h"
#include "server/partition/store_changes.h"
#include "server/retention/retention.h"
#include "server/service/gauges.h"
#include "server/service/housekeeper.h"

namespace grpc {
class Server;
class ServerBuilder;
class ServerCredentials;
}  // namespace grpc
namespace latchkey::storage {
class RecordStore;
}

namespace latchkey {

class StoredBytes;

struct ServerOptions {
  // Host and port; port 0 takes a free one.
  std::string listen_address = "127.0.0.1:0";
  // For GetServerStatus: the store as configured.
  std::string store_name;
  std::size_t partitions = 2;
  // New records are refused below so much free space. Empty: 5% of the file system, at most 256
  // MiB.
  std::optional<std::uint64_t> storage_reserve_bytes;
  bool accept_clock_step = false;
  // Where CreateBackup writes; empty: nowhere, and it is refused.
  std::string backup_directory;
  Limits limits;
  Namespaces namespaces;
  // Who may do what. Null: everybody may do everything.
  std::shared_ptr<const AccessRules> access;
  // Null: connections are not encrypted.
  std::shared_ptr<grpc::ServerCredentials> credentials;
  // Counts what happens; outlives the server. Null: nobody does.
  Meter* meter = nullptr;
  // For tests: has the last word on the gRPC server before it starts. Empty: nothing.
  std::function<void(grpc::ServerBuilder& builder)> configure_grpc;
};

// Thread-safe.
class Server {
 public:
  // Takes over the store, reads what is live, and serves. `clock` and `observer` outlive the
  // server. `on_failure` is called once if the store fails, on some thread; the server then answers
  // everything UNAVAILABLE, and the process should end.
  static absl::StatusOr<std::unique_ptr<Server>> Start(
      ServerOptions options, std::unique_ptr<storage::RecordStore> store, Clock& clock,
      PartitionObserver& observer, std::function<void(const std::string& why)> on_failure);
  // Shuts down at once, if that was not done before.
  ~Server();

  int port() const { return port_; }
  bool failed() const { return fail_stop_.tripped(); }

  // Says what a store may reclaim; lives as long as the server.
  const Retention& retention() const { return *retention_; }

  // Puts other settings of namespaces in force, for every call that is decided from now on; leases
  // and waits that there are go on. UNAVAILABLE, with nothing changed, if the store has failed.
  absl::Status ReplaceNamespaces(const Namespaces& next);
  // Puts other rules of access in force, for the next call and for the next frame of every session;
  // ends the sessions of those whom they do not know, and the watches of those who may not read
  // there any more. Only where there were rules at the start.
  void ReplaceAccess(std::shared_ptr<const AccessRules> rules);

  // Ends service in order: health says NOT_SERVING, waits end with SHUTTING_DOWN, calls in flight
  // finish or are cut off after `drain`, partitions stop, the store syncs and closes.
  absl::Status Shutdown(Duration drain);

  void FillStatus(v1::GetServerStatusResponse* response) const;
  // Also while it shuts down and after that.
  Gauges ReadGauges() const;
  // Whether calls are served. False from the moment when Shutdown begins or the store fails.
  bool serving() const { return !fail_stop_.tripped() && !shut_down_.load(); }

 private:
  struct Services;
  Server(ServerOptions options, std::unique_ptr<storage::RecordStore> store, Clock& clock,
         PartitionObserver& observer, std::function<void(const std::string&)> on_failure);
  absl::Status StartParts();
  absl::Status StartGrpc();
  void KeepHouse();

  const ServerOptions options_;
  // In force; as in the options at the start.
  Namespaces namespaces_;
  std::unique_ptr<Access> access_;
  const std::unique_ptr<storage::RecordStore> store_;
  Clock& clock_;
  FailStop fail_stop_;
  LiveCounts live_counts_;
  Quotas quotas_;
  ReplyBudget reply_budget_;
  MonotonicTime started_at_;
  PartitionObserver& observer_;
  std::unique_ptr<Retention> retention_;
  std::unique_ptr<ChangeFeed> changes_;
  std::unique_ptr<StoreChanges> store_changes_;
  std::unique_ptr<Housekeeper> housekeeper_;
  std::unique_ptr<Partitions> partitions_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<StoredBytes> stored_bytes_;
  std::unique_ptr<grpc::Server> grpc_server_;
  int port_ = 0;
  std::atomic<bool> shut_down_ = false;
};

}  // namespace latchkey
