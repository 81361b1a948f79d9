#include "tools/payment_demo/chaos.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/payment_demo/ledger.h"

namespace latchkey::demo {
namespace {

using Mood = ProgressDisplay::Mood;

std::string SecondsSince(std::chrono::steady_clock::time_point begin) {
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
  return absl::StrFormat("%.*f s", passed.count() < 1 ? 2 : 1, passed.count());
}

// What the provider has charged for an order by now.
absl::StatusOr<std::vector<Charge>> ChargesOf(const std::string& order_id,
                                              const std::string& path) {
  auto ledger = Ledger::Open(path);
  if (!ledger.ok()) return ledger.status();
  auto charges = ledger->All();
  if (!charges.ok()) return charges.status();
  std::erase_if(*charges, [&](const Charge& charge) { return charge.order_id != order_id; });
  return charges;
}

}  // namespace

Chaos::Chaos(const Kills& kills, std::uint64_t seed, const std::vector<Order>* rows,
             Processes* processes, ProgressDisplay* display)
    : rows_(*rows), processes_(processes), display_(display), random_(seed) {
  const std::vector<Kill> plan = PlanKills(kills, seed);
  plan_.assign(plan.begin(), plan.end());
  havoc_.wanted = kills;
}

absl::Status Chaos::KillWhatIsDue(double share_tried) {
  if (!plan_.empty() && plan_.front().share <= share_tried) {
    if (!next_) next_ = Clock::now() + plan_.front().delay;
    if (Clock::now() >= *next_) {
      const Kill::Target target = plan_.front().target;
      plan_.pop_front();
      next_.reset();
      if (auto done = Do(target); !done.ok()) return done;
    }
  }
  SetFailpoint();
  return absl::OkStatus();
}

absl::Status Chaos::Do(Kill::Target target) {
  switch (target) {
    case Kill::Target::kChargedWorker:
      ++worst_moments_due_;
      return absl::OkStatus();
    case Kill::Target::kAnyWorker:
      KillAnyWorker();
      return absl::OkStatus();
    case Kill::Target::kServer:
      return KillLatchkeyd();
  }
  return absl::OkStatus();
}

void Chaos::SetFailpoint() const {
  if (havoc_.worst_moments.size() < worst_moments_due_) {
    std::ofstream(processes_->failpoint(), std::ios::app);
  } else {
    std::error_code ignored;  // nothing is wrong where it is not there
    std::filesystem::remove(processes_->failpoint(), ignored);
  }
}

void Chaos::KillAnyWorker() {
  std::vector<std::size_t> at_work;
  for (std::size_t i = 0; i < processes_->workers(); ++i) {
    if (processes_->IsAtWork(i)) at_work.push_back(i);
  }
  if (at_work.empty()) return;
  const std::size_t worker = at_work[random_() % at_work.size()];
  processes_->KillWorker(worker);
  ++havoc_.any_moments;
  display_->Tell(Mood::kBad, WorkerName(worker), "killed", "without warning");
}

absl::Status Chaos::KillLatchkeyd() {
  const auto begin = Clock::now();
  const auto restarted = processes_->RestartNextServer();
  if (!restarted.ok()) return restarted.status();
  ++havoc_.servers;
  display_->Tell(Mood::kBad, *restarted, "killed",
                 absl::StrCat("and back after ", SecondsSince(begin)));
  return absl::OkStatus();
}

absl::Status Chaos::OnReport(std::size_t worker, const Report& report) {
  const Order& order = rows_[report.row];
  if (report.ending == Ending::kCutOff) return KillAtWorstMoment(worker, order);
  if (report.ending == Ending::kRecovered) return TellRecovery(worker, order);
  return absl::OkStatus();
}

absl::Status Chaos::TellRecovery(std::size_t worker, const Order& order) {
  const auto found = cut_off_.find(order.id);
  if (found == cut_off_.end()) return absl::OkStatus();
  const auto charges = ChargesOf(order.id, processes_->ledger());
  if (!charges.ok()) return charges.status();
  display_->Tell(Mood::kGood, WorkerName(worker), "recovered",
                 absl::StrCat("order ", order.id, " after ", SecondsSince(found->second),
                              "; ledger rows: ", charges->size()));
  cut_off_.erase(found);
  return absl::OkStatus();
}

absl::Status Chaos::KillAtWorstMoment(std::size_t worker, const Order& order) {
  // Killed before its report was read: that was counted.
  if (processes_->IsKilled(worker)) return absl::OkStatus();
  const auto charges = ChargesOf(order.id, processes_->ledger());
  if (!charges.ok()) return charges.status();
  const std::string reference = charges->empty() ? "" : charges->front().reference;
  processes_->KillWorker(worker);
  havoc_.worst_moments.push_back({order.id, reference});
  cut_off_[order.id] = Clock::now();
  display_->Tell(
      Mood::kBad, WorkerName(worker), "killed",
      absl::StrCat("order ", order.id, ": ", FormatAmount(order.amount_minor, order.currency),
                   " charged, not recorded"));
  return absl::OkStatus();
}

void Chaos::OnProviderLine(const std::string& line) {
  if (line.starts_with("lost reply")) ++havoc_.lost_replies;
}

}  // namespace latchkey::demo
