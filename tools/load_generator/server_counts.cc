#include "tools/load_generator/server_counts.h"

#include <thread>

#include "latchkey/v1/admin.grpc.pb.h"
#include <grpcpp/grpcpp.h>

namespace latchkey::bench {
namespace {

constexpr std::chrono::milliseconds kTick(5);

}  // namespace

struct ServerCounts::Stub {
  std::unique_ptr<v1::AdminService::Stub> admin;
};

ServerCounts::ServerCounts(const std::string& address)
    : stub_(std::make_unique<Stub>(Stub{v1::AdminService::NewStub(
          grpc::CreateChannel(address, grpc::InsecureChannelCredentials()))})) {}

ServerCounts::~ServerCounts() = default;

absl::StatusOr<ServerCounts::Counts> ServerCounts::Read() const {
  grpc::ClientContext context;
  v1::GetServerStatusResponse response;
  const grpc::Status status = stub_->admin->GetServerStatus(&context, {}, &response);
  if (!status.ok()) return absl::UnavailableError(status.error_message());
  Counts counts{.waiters = response.waiters()};
  for (const auto& name_space : response.namespaces()) {
    counts.held += name_space.held();
    counts.in_doubt += name_space.in_doubt();
  }
  return counts;
}

absl::Status ServerCounts::Await(std::uint64_t Counts::* count, int wanted,
                                 std::chrono::seconds patience) const {
  const auto until = std::chrono::steady_clock::now() + patience;
  std::uint64_t last = 0;
  while (std::chrono::steady_clock::now() < until) {
    const auto now = Read();
    if (!now.ok()) return now.status();
    last = *now.*count;
    if (last >= static_cast<std::uint64_t>(wanted)) return absl::OkStatus();
    std::this_thread::sleep_for(kTick);
  }
  return absl::UnavailableError("the server has counted " + std::to_string(last) + " of " +
                                std::to_string(wanted) + " in " + std::to_string(patience.count()) +
                                " s");
}

}  // namespace latchkey::bench
