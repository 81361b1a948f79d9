#include "tools/load_generator/server_counts.h"

#include "latchkey/v1/admin.grpc.pb.h"
#include <grpcpp/grpcpp.h>

namespace latchkey::bench {

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

}  // namespace latchkey::bench
