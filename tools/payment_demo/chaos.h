// Kills workers and latchkeyd while they pay, and shows it.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tools/payment_demo/ending.h"
#include "tools/payment_demo/havoc.h"
#include "tools/payment_demo/kill_plan.h"
#include "tools/payment_demo/order.h"
#include "tools/payment_demo/processes.h"
#include "tools/payment_demo/progress.h"

namespace latchkey::demo {

// Not thread-safe. Replacing the workers that it kills is somebody else's business.
class Chaos {
 public:
  // What is pointed to outlives this.
  Chaos(const Kills& kills, std::uint64_t seed, const std::vector<Order>* rows,
        Processes* processes, ProgressDisplay* display);

  // Kills what is due when so much of the work has been begun, from 0 to 1.
  absl::Status KillWhatIsDue(double share_tried);
  // Takes a worker's report. One that stopped at the failpoint is killed.
  absl::Status OnReport(std::size_t worker, const Report& report);
  // Takes what the provider said.
  void OnProviderLine(const std::string& line);

  const Havoc& havoc() const { return havoc_; }

 private:
  using Clock = std::chrono::steady_clock;

  absl::Status Do(Kill::Target target);
  void KillAnyWorker();
  absl::Status KillLatchkeyd();
  absl::Status KillAtWorstMoment(std::size_t worker, const Order& order);
  // If that order was cut off.
  absl::Status TellRecovery(std::size_t worker, const Order& order);
  // Has as many workers stop between charge and record as are wanted by now.
  void SetFailpoint() const;

  const std::vector<Order>& rows_;
  Processes* const processes_;
  ProgressDisplay* const display_;
  std::mt19937_64 random_;
  std::deque<Kill> plan_;                  // what is not due yet
  std::optional<Clock::time_point> next_;  // when the first of them is, once its share is reached
  std::size_t worst_moments_due_ = 0;
  std::map<std::string, Clock::time_point> cut_off_;  // orders not settled since, by id
  Havoc havoc_;
};

}  // namespace latchkey::demo
