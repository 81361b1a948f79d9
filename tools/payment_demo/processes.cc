#include "tools/payment_demo/processes.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace latchkey::demo {
namespace {

constexpr std::chrono::seconds kStartTimeout{20};
constexpr std::chrono::seconds kStopPatience{10};
// Members of etcd, and servers over them.
constexpr std::size_t kClusterSize = 3;

}  // namespace

std::string WorkerName(std::size_t worker) { return absl::StrCat("worker-", worker + 1); }

absl::Status Processes::Start(std::ostream& out) {
  auto provider = StartServer(
      "payment_provider",
      {options_.programs + "/payment_provider", "--ledger=" + ledger(),
       std::string("--idempotency=") + (options_.keys_honoured ? "honoured" : "ignored"),
       "--seed=" + std::to_string(options_.seed)});
  if (!provider.ok()) return provider.status();
  provider_ = *std::move(provider);
  out << "provider   " << provider_->address() << ": "
      << (options_.keys_honoured ? "honours" : "ignores")
      << " idempotency keys; is slow, loses calls and answers\n";

  if (options_.latchkeyd.empty()) {
    out << "latchkeyd  left out: nothing guards the payments\n";
  } else {
    if (auto started = StartLatchkeyds(out); !started.ok()) return started;
  }

  for (std::size_t i = 0; i < options_.workers; ++i) {
    auto worker = StartWorker(i, {});
    if (!worker.ok()) return worker.status();
    workers_.push_back(*std::move(worker));
  }
  out << "workers    " << options_.workers << ", each pays every row, all at the same time\n";
  return absl::OkStatus();
}

absl::StatusOr<ServerProcess> Processes::StartServer(const std::string& name,
                                                     const std::vector<std::string>& command) {
  return ServerProcess::Start({command, LogOf(name)}, kStartTimeout);
}

absl::Status Processes::StartLatchkeyds(std::ostream& out) {
  if (options_.cluster) {
    auto etcd = EtcdCluster::Start(options_.directory,
                                   {.members = static_cast<int>(kClusterSize), .hasty = false});
    if (!etcd.ok()) return etcd.status();
    etcd_ = *std::move(etcd);
    out << "etcd       " << etcd_->addresses() << "\n";
  }
  const std::size_t count = options_.cluster ? kClusterSize : 1;
  for (std::size_t i = 0; i < count; ++i) {
    auto latchkeyd = StartLatchkeyd(i, "127.0.0.1:0");
    if (!latchkeyd.ok()) return latchkeyd.status();
    latchkeyds_.push_back(*std::move(latchkeyd));
    out << (i == 0 ? "latchkeyd  " : "           ") << latchkeyds_.back().address()
        << ": keeps its records in " << (options_.cluster ? "etcd" : "RocksDB") << "\n";
  }
  return absl::OkStatus();
}

std::string Processes::store() const {
  return etcd_ != nullptr ? etcd_->store_name() : "rocksdb:" + InDirectory("store");
}

std::string Processes::LatchkeydName(std::size_t place) const {
  return options_.cluster ? absl::StrCat("latchkeyd-", place + 1) : "latchkeyd";
}

absl::StatusOr<ServerProcess> Processes::StartLatchkeyd(std::size_t place,
                                                        const std::string& address) {
  return StartServer(LatchkeydName(place),
                     {options_.latchkeyd, "--store=" + store(), "--listen-address=" + address});
}

absl::StatusOr<ChildProcess> Processes::StartWorker(std::size_t worker,
                                                    const std::vector<std::size_t>& settled) {
  const std::string name = WorkerName(worker);
  std::vector<std::string> command = {options_.programs + "/payment_worker",
                                      "--orders=" + options_.orders,
                                      "--provider=" + provider_->address(), "--name=" + name,
                                      "--seed=" + std::to_string(options_.seed + worker)};
  if (!latchkeyds_.empty()) {
    command.push_back("--latchkey=" +
                      absl::StrJoin(latchkeyds_, ",", [](std::string* out, const auto& latchkeyd) {
                        out->append(latchkeyd.address());
                      }));
  }
  if (!options_.keys_honoured) command.emplace_back("--provider-deduplicates=false");
  if (options_.chaos) command.push_back("--failpoint=" + failpoint());
  if (!settled.empty()) command.push_back("--settled=" + absl::StrJoin(settled, ","));
  return ChildProcess::Start({command, LogOf(name)});
}

void Processes::Wait(std::chrono::milliseconds timeout) {
  std::vector<ChildProcess*> watched;
  watched.reserve(workers_.size());
  for (ChildProcess& worker : workers_) watched.push_back(&worker);
  ChildProcess::WaitForOutput(watched, timeout);
}

absl::Status Processes::CheckServers() {
  std::vector<std::pair<ServerProcess*, std::string>> servers = {{&*provider_, "payment_provider"}};
  for (std::size_t i = 0; i < latchkeyds_.size(); ++i) {
    latchkeyds_[i].process().TakeLines();
    servers.emplace_back(&latchkeyds_[i], LatchkeydName(i));
  }
  for (const auto& [server, name] : servers) {
    if (server->process().live()) continue;
    return absl::UnavailableError(absl::StrCat(name, " ended: ", LastLineOf(LogOf(name))));
  }
  return absl::OkStatus();
}

absl::Status Processes::ReplaceWorker(std::size_t worker, const std::vector<std::size_t>& settled) {
  auto started = StartWorker(worker, settled);
  if (!started.ok()) return started.status();
  workers_[worker] = *std::move(started);
  return absl::OkStatus();
}

absl::StatusOr<std::string> Processes::RestartNextServer() {
  const std::size_t turn = restarts_++;
  const std::size_t place = etcd_ == nullptr ? 0 : turn / 2 % kClusterSize;
  if (etcd_ != nullptr && turn % 2 == 1) {
    etcd_->process(place).Kill();
    if (auto restarted = etcd_->Restart(place); !restarted.ok()) return restarted;
    if (auto answers = etcd_->Await(place); !answers.ok()) return answers;
    return absl::StrCat("etcd-", place + 1);
  }
  latchkeyds_[place].process().Kill();
  auto started = StartLatchkeyd(place, latchkeyds_[place].address());
  if (!started.ok()) return started.status();
  latchkeyds_[place] = *std::move(started);
  return LatchkeydName(place);
}

absl::Status Processes::StopWorkers() {
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    const int code = workers_[i].Stop(kStopPatience);
    if (code == 0) continue;
    const std::string name = WorkerName(i);
    return absl::InternalError(
        absl::StrCat(name, " ended with exit code ", code, ": ", LastLineOf(LogOf(name))));
  }
  return absl::OkStatus();
}

void Processes::StopProvider() { provider_->process().Stop(kStopPatience); }

void Processes::StopLatchkeyd() {
  for (ServerProcess& latchkeyd : latchkeyds_) latchkeyd.process().Stop(kStopPatience);
}

}  // namespace latchkey::demo
