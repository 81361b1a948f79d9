// Runs the demo: starts a payment provider, latchkeyd and the workers, shows their progress, kills
// them if wanted, stops them, and judges what they left behind.
#pragma once

#include <optional>
#include <ostream>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/payment_demo/chaos.h"
#include "tools/payment_demo/processes.h"
#include "tools/payment_demo/progress.h"
#include "tools/payment_demo/verdict.h"

namespace latchkey::demo {

// One run. Not thread-safe.
class Demo {
 public:
  explicit Demo(const DemoOptions& options) : options_(options), processes_(options) {}

  // Writes the report to `out`. True when every check passed; an error when the run could not be
  // done.
  absl::StatusOr<bool> Run(std::ostream& out);

 private:
  // Follows the workers until all have ended, and reads their reports.
  absl::Status FollowWorkers(Tally* tally);
  absl::Status TakeReports(Tally* tally);
  // Ends whatever could still change something, then reads the ledger and the records.
  absl::StatusOr<Evidence> Collect();

  const DemoOptions options_;
  std::vector<Order> rows_;
  Processes processes_;
  ProgressDisplay display_;
  std::optional<Chaos> chaos_;
};

}  // namespace latchkey::demo
