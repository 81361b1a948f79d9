#include "tools/load_generator/restart.h"

#include <thread>
#include <utility>

#include "latchkey/v1/coordination.grpc.pb.h"
#include "tools/load_generator/fill.h"
#include "tools/load_generator/own_systems.h"
#include <grpcpp/grpcpp.h>

namespace latchkey::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::seconds kLoadBeforeKill(1);
constexpr std::chrono::seconds kPatience(60);

// Sends until a call is granted.
bool FirstGrant(const std::string& address, const std::string& key, SteadyClock::time_point until) {
  const auto stub = v1::CoordinationService::NewStub(
      grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  while (SteadyClock::now() < until) {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
    v1::AcquireLockRequest request;
    request.set_key(key);
    request.set_attempt_id(key);
    request.mutable_lease_duration()->set_seconds(30);
    v1::AcquireLockResponse response;
    if (stub->AcquireLock(&context, request, &response).ok() && response.has_grant()) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<double> RestartUnderLoad(const BenchOptions& options, ServerProcess& server,
                                        const std::filesystem::path& directory,
                                        const std::string& name) {
  std::thread load([&options, &name, address = server.address()] {
    FillOptions fill;
    fill.flows = UINT64_MAX;
    fill.concurrency = options.concurrency;
    fill.key_prefix = name;
    (void)Fill(address, fill);  // that its calls fail in the end is the point
  });
  std::this_thread::sleep_for(kLoadBeforeKill);
  server.process().Kill();
  load.join();

  const auto begin = SteadyClock::now();
  auto restarted = StartLatchkeyd(options, directory);
  if (!restarted.ok()) return restarted.status();
  server = *std::move(restarted);
  if (!FirstGrant(server.address(), name + ":first", begin + kPatience)) {
    return absl::UnavailableError("no AcquireLock was acknowledged within 60 s of the restart");
  }
  return std::chrono::duration<double>(SteadyClock::now() - begin).count();
}

}  // namespace latchkey::bench
