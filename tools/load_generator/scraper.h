// Reads a server's metrics, as Prometheus would, but more often.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "absl/status/status.h"

namespace latchkey::bench {

// One GET of /metrics on this port of the loopback. UNAVAILABLE unless metrics of ours come back.
absl::Status Scrape(int port);

// Does so once a second for as long as it lives, whatever comes back.
class Scraper {
 public:
  explicit Scraper(int port);

 private:
  std::mutex mutex_;
  std::condition_variable_any stopped_;
  std::jthread thread_;  // last: ends first
};

}  // namespace latchkey::bench
