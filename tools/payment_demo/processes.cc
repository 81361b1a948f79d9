#include "tools/payment_demo/processes.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace latchkey::demo {
namespace {

constexpr std::chrono::seconds kStartTimeout{20};
constexpr std::chrono::seconds kStopPatience{10};

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
    auto latchkeyd = StartLatchkeyd("127.0.0.1:0");
    if (!latchkeyd.ok()) return latchkeyd.status();
    latchkeyd_ = *std::move(latchkeyd);
    out << "latchkeyd  " << latchkeyd_->address() << ": keeps its records in RocksDB\n";
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

absl::StatusOr<ServerProcess> Processes::StartLatchkeyd(const std::string& address) {
  return StartServer("latchkeyd", {options_.latchkeyd, "--store=rocksdb:" + store(),
                                   "--listen-address=" + address});
}

absl::StatusOr<ChildProcess> Processes::StartWorker(std::size_t worker,
                                                    const std::vector<std::size_t>& settled) {
  const std::string name = WorkerName(worker);
  std::vector<std::string> command = {options_.programs + "/payment_worker",
                                      "--orders=" + options_.orders,
                                      "--provider=" + provider_->address(), "--name=" + name,
                                      "--seed=" + std::to_string(options_.seed + worker)};
  if (latchkeyd_) command.push_back("--latchkey=" + latchkeyd_->address());
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
  if (latchkeyd_) latchkeyd_->process().TakeLines();
  for (auto [server, name] :
       {std::pair(&provider_, "payment_provider"), std::pair(&latchkeyd_, "latchkeyd")}) {
    if (!*server || (*server)->process().live()) continue;
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

absl::Status Processes::RestartLatchkeyd() {
  latchkeyd_->process().Kill();
  auto started = StartLatchkeyd(latchkeyd_->address());
  if (!started.ok()) return started.status();
  latchkeyd_ = *std::move(started);
  return absl::OkStatus();
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

void Processes::StopLatchkeyd() { latchkeyd_->process().Stop(kStopPatience); }

}  // namespace latchkey::demo
