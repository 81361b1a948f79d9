// Runs the demo: starts a payment provider, latchkeyd and the workers, shows their progress, stops
// them, and judges what they left behind.
#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/payment_demo/progress.h"
#include "tools/payment_demo/verdict.h"
#include "tools/process/server_process.h"

namespace latchkey::demo {

struct DemoOptions {
  std::string orders;         // CSV file
  std::string directory;      // for the ledger, the store and the logs; exists and is empty
  std::string programs;       // the directory of payment_provider and payment_worker
  std::string latchkeyd;      // the program; empty: the workers run without Latchkey
  bool keys_honoured = true;  // by the provider
  std::size_t workers = 4;
  std::uint64_t seed = 1;
};

// One run. Not thread-safe.
class Demo {
 public:
  explicit Demo(DemoOptions options) : options_(std::move(options)) {}

  // Writes the report to `out`. True when every check passed; an error when the run could not be
  // done.
  absl::StatusOr<bool> Run(std::ostream& out);

 private:
  absl::Status StartEverything(std::ostream& out);
  absl::StatusOr<ServerProcess> StartService(const std::string& name,
                                             const std::vector<std::string>& command);
  absl::StatusOr<ChildProcess> StartWorker(std::size_t number);
  // Follows the workers until all have ended, and reads their reports.
  absl::Status FollowWorkers(Tally* tally);
  // Ends whatever could still change something, then reads the ledger and the records.
  absl::StatusOr<Evidence> Collect(std::vector<Order> rows);
  std::string InDirectory(const std::string& file) const { return options_.directory + "/" + file; }
  std::string LogOf(const std::string& name) const { return InDirectory(name + ".log"); }

  const DemoOptions options_;
  std::optional<ServerProcess> provider_;
  std::optional<ServerProcess> latchkeyd_;
  std::vector<ChildProcess> workers_;
};

}  // namespace latchkey::demo
