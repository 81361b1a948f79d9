#include "tools/load_generator/synced_appends.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>

#include "tools/load_generator/histogram.h"
#include "tools/load_generator/scratch.h"

namespace latchkey::bench {

absl::StatusOr<Measurement> MeasureSyncedAppends(const BenchOptions& options) {
  ScratchDirectory scratch(options.output);
  const std::string path = (scratch.path() / "appends").string();
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (file < 0) return absl::UnavailableError("cannot write " + path);
  const std::string bytes(kAppendBytes, 'x');
  const auto latencies = std::make_unique<Histogram>();
  const auto begin = std::chrono::steady_clock::now();
  auto now = begin;
  while (now - begin < options.measure / 3) {
    if (write(file, bytes.data(), bytes.size()) < 0 || fdatasync(file) != 0) break;
    const auto after = std::chrono::steady_clock::now();
    latencies->Record(after - now);
    now = after;
  }
  close(file);
  return Measure(*latencies, now - begin);
}

}  // namespace latchkey::bench
