// How long a restart takes after a kill under load, with many records.

#include <cstdio>
#include <thread>

#include "latchkey/v1/coordination.grpc.pb.h"
#include "tools/load_generator/benches.h"
#include "tools/load_generator/latchkey_flows.h"
#include "tools/load_generator/report.h"
#include "tools/load_generator/scratch.h"
#include <grpcpp/grpcpp.h>

namespace latchkey::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::hours kNoTimeLimit(1);

absl::Status Fill(const std::string& address, Flow flow, std::uint64_t flows, int concurrency,
                  const char* prefix, const char* progress) {
  LoadOptions load;
  load.concurrency = concurrency;
  load.warm_up = std::chrono::milliseconds(0);
  load.measure = kNoTimeLimit;
  load.flows_max = flows;
  load.key_prefix = prefix;
  load.progress = progress;
  const auto driver = MakeLatchkeyDriver(Transport::kUnary, address, flow, concurrency);
  return RunLoad(*driver, load).status();
}

// Sends until a call is granted.
bool FirstGrant(const std::string& address, SteadyClock::time_point until) {
  const auto stub = v1::CoordinationService::NewStub(
      grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  while (SteadyClock::now() < until) {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
    v1::AcquireLockRequest request;
    request.set_key("restart:first");
    request.set_attempt_id("restart:first");
    request.mutable_lease_duration()->set_seconds(30);
    v1::AcquireLockResponse response;
    if (stub->AcquireLock(&context, request, &response).ok() && response.has_grant()) return true;
  }
  return false;
}

}  // namespace

absl::Status BenchRestart(const BenchOptions& options) {
  ScratchDirectory scratch(options.output);
  const std::string log = (scratch.path() / "log").string();
  const std::vector<std::string> command = {
      options.latchkeyd, "--listen-address=127.0.0.1:0",
      "--store=rocksdb:" + (scratch.path() / "store").string()};
  auto server = ServerProcess::Start({command, log});
  if (!server.ok()) return server.status();
  if (auto filled = Fill(server->address(), Flow::kAcquireAndRecord, options.completed_records,
                         options.concurrency, "done", "restart: completed records");
      !filled.ok()) {
    return filled;
  }
  if (auto filled =
          Fill(server->address(), Flow::kAcquire, static_cast<std::uint64_t>(options.live_leases),
               options.concurrency, "live", "restart: live leases");
      !filled.ok()) {
    return filled;
  }
  // Killed in the middle of more load; that its calls fail is the point.
  const std::string address = server->address();
  std::thread load([&] {
    (void)Fill(address, Flow::kAcquireAndRecord, UINT64_MAX, options.concurrency, "killed", "");
  });
  const auto kill_at = SteadyClock::now() + std::chrono::seconds(1);
  std::this_thread::sleep_until(kill_at);
  server->process().Kill();
  load.join();

  const auto begin = SteadyClock::now();
  auto restarted = ServerProcess::Start({command, log});
  if (!restarted.ok()) return restarted.status();
  if (!FirstGrant(restarted->address(), begin + std::chrono::seconds(60))) {
    return absl::UnavailableError("no AcquireLock was acknowledged within 60 s of the restart");
  }
  const std::chrono::duration<double> took = SteadyClock::now() - begin;
  std::printf(
      "restart: %llu completed records, %d live leases: exec to first acknowledged AcquireLock "
      "%.2f s (wanted: 2 s), %.0f MiB resident\n",
      static_cast<unsigned long long>(options.completed_records), options.live_leases, took.count(),
      static_cast<double>(ResidentBytes(*restarted)) / (1 << 20));
  return absl::OkStatus();
}

}  // namespace latchkey::bench
