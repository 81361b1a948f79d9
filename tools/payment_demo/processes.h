// The processes of a run: a payment provider, latchkeyd, and the workers.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/payment_demo/havoc.h"
#include "tools/process/etcd_cluster.h"
#include "tools/process/server_process.h"

namespace latchkey::demo {

struct DemoOptions {
  std::string orders;         // CSV file
  std::string directory;      // for the ledger, the store and the logs; exists and is empty
  std::string programs;       // the directory of payment_provider and payment_worker
  std::string latchkeyd;      // the program; empty: the workers run without Latchkey
  bool cluster = false;       // three latchkeyd over three members of etcd
  bool keys_honoured = true;  // by the provider
  std::size_t workers = 4;
  std::uint64_t seed = 1;
  std::optional<Kills> chaos = {};  // what is killed meanwhile; needs latchkeyd
  bool kept = false;                // the directory stays
};

// Not thread-safe. All of them die with this process.
class Processes {
 public:
  explicit Processes(DemoOptions options) : options_(std::move(options)) {}

  // Starts all, and says so.
  absl::Status Start(std::ostream& out);
  // Whether any worker has not ended, or is to be replaced.
  bool AnyAtWork() const { return std::ranges::any_of(workers_, &ChildProcess::live); }
  // Waits until a worker has written something or ended, for `timeout` at most.
  void Wait(std::chrono::milliseconds timeout);
  // What a worker has written since the last call.
  std::vector<std::string> TakeLines(std::size_t worker) { return workers_[worker].TakeLines(); }
  // The same of the provider.
  std::vector<std::string> TakeProviderLines() { return provider_->process().TakeLines(); }
  // UNAVAILABLE where the provider or latchkeyd has ended by itself.
  absl::Status CheckServers();

  // Kills a worker. What it had written can still be taken.
  void KillWorker(std::size_t worker) { workers_[worker].Kill(); }
  // Whether it was killed, and nothing of what it wrote is left.
  bool IsGone(std::size_t worker) const { return IsKilled(worker) && !workers_[worker].live(); }
  bool IsKilled(std::size_t worker) const { return workers_[worker].pid() < 0; }
  // Whether it goes on with its work.
  bool IsAtWork(std::size_t worker) const { return !IsKilled(worker) && workers_[worker].live(); }
  // Starts another in the place of a worker that is gone. It leaves out the rows that are settled.
  absl::Status ReplaceWorker(std::size_t worker, const std::vector<std::size_t>& settled);
  // Kills latchkeyd and starts it again: same address, same store. Of a cluster each server and
  // each member of etcd in its turn. Which it was.
  absl::StatusOr<std::string> RestartNextServer();

  // INTERNAL where a worker did not end well by itself.
  absl::Status StopWorkers();
  void StopProvider();
  void StopLatchkeyd();

  std::size_t workers() const { return workers_.size(); }
  const std::string& latchkeyd_address() const { return latchkeyds_.front().address(); }
  std::string ledger() const { return InDirectory("ledger.sqlite"); }
  // As latchkeyd takes it.
  std::string store() const;
  // While this file exists, the next worker that has charged takes it away and stops there.
  std::string failpoint() const { return InDirectory("failpoint"); }

 private:
  absl::StatusOr<ServerProcess> StartServer(const std::string& name,
                                            const std::vector<std::string>& command);
  absl::Status StartLatchkeyds(std::ostream& out);
  absl::StatusOr<ServerProcess> StartLatchkeyd(std::size_t place, const std::string& address);
  // "latchkeyd", or "latchkeyd-1" for 0 in a cluster.
  std::string LatchkeydName(std::size_t place) const;
  absl::StatusOr<ChildProcess> StartWorker(std::size_t worker,
                                           const std::vector<std::size_t>& settled);
  std::string InDirectory(const std::string& file) const { return options_.directory + "/" + file; }
  std::string LogOf(const std::string& name) const { return InDirectory(name + ".log"); }

  const DemoOptions options_;
  std::optional<ServerProcess> provider_;
  std::unique_ptr<EtcdCluster> etcd_;
  std::vector<ServerProcess> latchkeyds_;
  std::size_t restarts_ = 0;
  std::vector<ChildProcess> workers_;
};

// "worker-1" for 0.
std::string WorkerName(std::size_t worker);

}  // namespace latchkey::demo
