#include "tools/payment_demo/demo.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <utility>

#include "tools/payment_demo/ledger.h"
#include "tools/payment_demo/order.h"
#include "tools/payment_demo/receipt.h"
#include "tools/payment_demo/records.h"
#include "tools/payment_demo/report.h"

namespace latchkey::demo {
namespace {

constexpr std::chrono::seconds kStartTimeout{20};
constexpr std::chrono::seconds kStopPatience{10};
// A run takes some ten seconds; workers that are not done by then never will be.
constexpr std::chrono::minutes kRunTimeout{3};
constexpr std::chrono::milliseconds kTick{100};

std::string WorkerName(std::size_t number) { return "worker-" + std::to_string(number + 1); }

}  // namespace

absl::StatusOr<bool> Demo::Run(std::ostream& out) {
  std::ifstream csv(options_.orders);
  if (!csv) return absl::NotFoundError("cannot read " + options_.orders);
  const auto rows = ReadOrders(csv, options_.orders);
  if (!rows.ok()) return rows.status();

  Tally tally(*rows, options_.workers);
  out << "orders     " << options_.orders << ": " << rows->size() << " rows\n";
  if (auto started = StartEverything(out); !started.ok()) return started;
  if (auto followed = FollowWorkers(&tally); !followed.ok()) return followed;
  const auto evidence = Collect(*rows);
  if (!evidence.ok()) return evidence.status();
  const Verdict verdict = Judge(*evidence);
  WriteReport(*evidence, verdict, tally, out);
  return verdict.Passed();
}

absl::Status Demo::StartEverything(std::ostream& out) {
  auto provider = StartService(
      "payment_provider",
      {options_.programs + "/payment_provider", "--ledger=" + InDirectory("ledger.sqlite"),
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
    auto latchkeyd =
        StartService("latchkeyd", {options_.latchkeyd, "--store=rocksdb:" + InDirectory("store"),
                                   "--listen-address=127.0.0.1:0"});
    if (!latchkeyd.ok()) return latchkeyd.status();
    latchkeyd_ = *std::move(latchkeyd);
    out << "latchkeyd  " << latchkeyd_->address() << ": keeps its records in RocksDB\n";
  }

  for (std::size_t i = 0; i < options_.workers; ++i) {
    auto worker = StartWorker(i);
    if (!worker.ok()) return worker.status();
    workers_.push_back(*std::move(worker));
  }
  out << "workers    " << options_.workers << ", each pays every row, all at the same time\n\n"
      << std::flush;
  return absl::OkStatus();
}

absl::StatusOr<ServerProcess> Demo::StartService(const std::string& name,
                                                 const std::vector<std::string>& command) {
  return ServerProcess::Start({command, LogOf(name)}, kStartTimeout);
}

absl::StatusOr<ChildProcess> Demo::StartWorker(std::size_t number) {
  const std::string name = WorkerName(number);
  std::vector<std::string> command = {options_.programs + "/payment_worker",
                                      "--orders=" + options_.orders,
                                      "--provider=" + provider_->address(), "--name=" + name,
                                      "--seed=" + std::to_string(options_.seed + number)};
  if (latchkeyd_) command.push_back("--latchkey=" + latchkeyd_->address());
  if (!options_.keys_honoured) command.emplace_back("--provider-deduplicates=false");
  return ChildProcess::Start({command, LogOf(name)});
}

absl::Status Demo::FollowWorkers(Tally* tally) {
  std::vector<ChildProcess*> watched;
  watched.reserve(workers_.size());
  for (ChildProcess& worker : workers_) watched.push_back(&worker);
  const auto deadline = std::chrono::steady_clock::now() + kRunTimeout;
  ProgressDisplay display;
  const auto working = [&] { return std::ranges::any_of(workers_, &ChildProcess::live); };
  while (working() && std::chrono::steady_clock::now() < deadline) {
    ChildProcess::WaitForOutput(watched, kTick);
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      for (const std::string& line : workers_[i].TakeLines()) tally->Add(i, line);
    }
    for (auto [service, name] :
         {std::pair(&provider_, "payment_provider"), std::pair(&latchkeyd_, "latchkeyd")}) {
      if (!*service) continue;
      (*service)->process().TakeLines();
      if (!(*service)->process().live()) {
        return absl::UnavailableError(std::string(name) + " ended: " + LastLineOf(LogOf(name)));
      }
    }
    display.Update(*tally);
  }
  display.Finish(*tally);
  return absl::OkStatus();
}

absl::StatusOr<Evidence> Demo::Collect(std::vector<Order> rows) {
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    const int code = workers_[i].Stop(kStopPatience);
    if (code == 0) continue;
    const std::string name = WorkerName(i);
    return absl::InternalError(name + " ended with exit code " + std::to_string(code) + ": " +
                               LastLineOf(LogOf(name)));
  }
  // Only now is the ledger final: a call that its worker gave up on may still be in the provider.
  provider_->process().Stop(kStopPatience);

  Evidence evidence;
  evidence.rows = std::move(rows);
  evidence.keys_honoured = options_.keys_honoured;
  auto ledger = Ledger::Open(InDirectory("ledger.sqlite"));
  if (!ledger.ok()) return ledger.status();
  auto charges = ledger->All();
  if (!charges.ok()) return charges.status();
  evidence.ledger = *std::move(charges);
  if (latchkeyd_) {
    auto records = ListRecords(latchkeyd_->address(), kNamespace);
    if (!records.ok()) return records.status();
    evidence.records = *std::move(records);
    latchkeyd_->process().Stop(kStopPatience);
  }
  return evidence;
}

}  // namespace latchkey::demo
