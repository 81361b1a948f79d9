#include "tools/payment_demo/demo.h"

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

// A run takes some ten seconds, and a chaotic one a minute; workers that are not done by then never
// will be.
constexpr std::chrono::minutes kRunTimeout{3};
constexpr std::chrono::milliseconds kTick{50};

}  // namespace

absl::StatusOr<bool> Demo::Run(std::ostream& out) {
  std::ifstream csv(options_.orders);
  if (!csv) return absl::NotFoundError("cannot read " + options_.orders);
  auto rows = ReadOrders(csv, options_.orders);
  if (!rows.ok()) return rows.status();
  rows_ = *std::move(rows);

  out << "orders     " << options_.orders << ": " << rows_.size() << " rows\n";
  if (auto started = processes_.Start(out); !started.ok()) return started;
  if (const auto& kills = options_.chaos) {
    out << "chaos      " << kills->worst_moments
        << " workers are killed between charge and record, " << kills->any_moments
        << " at any moment, " << (options_.cluster ? "latchkeyd or etcd " : "latchkeyd ")
        << kills->servers << " times\n";
    chaos_.emplace(*kills, options_.seed, &rows_, &processes_, &display_);
  }
  out << "\n" << std::flush;

  Tally tally(rows_, options_.workers);
  if (auto followed = FollowWorkers(&tally); !followed.ok()) return followed;
  const auto evidence = Collect();
  if (!evidence.ok()) return evidence.status();
  const Verdict verdict = Judge(*evidence);
  WriteReport(*evidence, verdict, tally, out);
  return verdict.Passed();
}

absl::Status Demo::FollowWorkers(Tally* tally) {
  const auto deadline = std::chrono::steady_clock::now() + kRunTimeout;
  while (processes_.AnyAtWork() && std::chrono::steady_clock::now() < deadline) {
    processes_.Wait(kTick);
    if (auto taken = TakeReports(tally); !taken.ok()) return taken;
    if (auto serving = processes_.CheckServers(); !serving.ok()) return serving;
    if (chaos_) {
      if (auto killed = chaos_->KillWhatIsDue(tally->share_tried()); !killed.ok()) return killed;
    }
    display_.Update(*tally);
  }
  display_.Finish(*tally);
  return absl::OkStatus();
}

absl::Status Demo::TakeReports(Tally* tally) {
  for (const std::string& line : processes_.TakeProviderLines()) {
    if (chaos_) chaos_->OnProviderLine(line);
  }
  for (std::size_t i = 0; i < processes_.workers(); ++i) {
    for (const std::string& line : processes_.TakeLines(i)) {
      const auto report = ParseReport(line, rows_.size());
      if (!report) continue;
      tally->Add(i, *report);
      if (!chaos_) continue;
      if (auto taken = chaos_->OnReport(i, *report); !taken.ok()) return taken;
    }
    if (!processes_.IsGone(i)) continue;
    if (auto replaced = processes_.ReplaceWorker(i, tally->SettledBy(i)); !replaced.ok()) {
      return replaced;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Evidence> Demo::Collect() {
  if (auto stopped = processes_.StopWorkers(); !stopped.ok()) return stopped;
  // Only now is the ledger final: a call that its worker gave up on may still be in the provider.
  processes_.StopProvider();

  Evidence evidence{.rows = rows_, .keys_honoured = options_.keys_honoured};
  if (chaos_) {
    evidence.havoc = chaos_->havoc();
    evidence.havoc->cluster = options_.cluster;
  }
  if (options_.kept) evidence.server = options_.latchkeyd + " --store=" + processes_.store();
  auto ledger = Ledger::Open(processes_.ledger());
  if (!ledger.ok()) return ledger.status();
  auto charges = ledger->All();
  if (!charges.ok()) return charges.status();
  evidence.ledger = *std::move(charges);
  if (!options_.latchkeyd.empty()) {
    auto records = ListRecords(processes_.latchkeyd_address(), kNamespace);
    if (!records.ok()) return records.status();
    evidence.records = *std::move(records);
    processes_.StopLatchkeyd();
  }
  return evidence;
}

}  // namespace latchkey::demo
