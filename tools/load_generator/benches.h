// The benchmarks that `tools/bench` offers, one function each. They print a table, write JSON and
// most of them a chart, and answer an error when something could not be measured.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace latchkey::bench {

struct BenchOptions {
  std::string latchkeyd;
  std::string echo;
  // Where JSON goes, and, below it, the scratch directories: the disk that is measured.
  std::string output = "build/bench";
  int repetitions = 3;
  std::chrono::milliseconds warm_up{3000};
  std::chrono::milliseconds measure{10'000};
  // Small numbers, which show that it works and measure nothing.
  bool quick = false;
  int concurrency = 256;
  // Of flows.
  std::vector<int> concurrencies = {1, 16, 64, 256, 1024, 4096};
  // Ours, of the systems measured.
  std::vector<std::string> transports = {"unary", "session"};
  std::uint64_t completed_records = 1'000'000;
  int live_leases = 10'000;
  // How long records expire as fast as they come; zero leaves it out.
  std::chrono::milliseconds retention{600'000};
  int waiters = 10'000;
  int hot_keys = 1'000;
  int waiters_of_hot_keys = 100;
  int hostile_connections = 10'000;
  int hostile_waiters = 200'000;
  int hostile_readers = 100;
  int hostile_reads = 2'000;  // of each of them
};

// Durable AcquireLock calls beside an empty call with the same API, sizes and channels.
absl::Status BenchUnary(const BenchOptions& options);
// One flow at a time, beside the echo's round trip and a synced append.
absl::Status BenchLatency(const BenchOptions& options);
// Flows at many concurrencies, over every transport.
absl::Status BenchFlows(const BenchOptions& options);
// Flows of Latchkey beside those of etcd, PostgreSQL and Redis. FAILED_PRECONDITION, after all is
// written, if one of them does less than it can.
absl::Status BenchPeers(const BenchOptions& options);
// Flows of one and of three latchkeyd over etcd clusters of one and of three members, beside etcd's
// own lock API and hand-written transactions on the same.
absl::Status BenchCluster(const BenchOptions& options);
// From exec to the first acknowledged AcquireLock, after SIGKILL under load with many records.
absl::Status BenchRestart(const BenchOptions& options);
// Flow rate, memory, restart and disk with ever more completed records, up to `completed_records`.
absl::Status BenchScale(const BenchOptions& options);
// Hand-offs of one key and of many that are waited for, and many leases: renewed, and lapsing.
absl::Status BenchContention(const BenchOptions& options);
// Good callers beside bad ones: idle connections, waiters, oversized frames, slow readers, and
// callers that come and go.
absl::Status BenchHostile(const BenchOptions& options);
// Flows over a session without metrics and credentials, with metrics that are read, with a bearer
// token, with both, and with both over TLS.
absl::Status BenchCredentials(const BenchOptions& options);
// Flows of one namespace beside callers of another that is at its quota.
absl::Status BenchTenants(const BenchOptions& options);
// Many waiters on one key: memory for each, wake-ups and time for each hand-over.
absl::Status BenchWaiters(const BenchOptions& options);

}  // namespace latchkey::bench
