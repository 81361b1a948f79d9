#include "tools/payment_demo/records.h"

#include <chrono>

#include "latchkey/v1/admin.grpc.pb.h"
#include <grpcpp/grpcpp.h>

namespace latchkey::demo {

absl::StatusOr<std::vector<latchkey::v1::Record>> ListRecords(const std::string& address,
                                                              const std::string& key_namespace) {
  const auto admin = latchkey::v1::AdminService::NewStub(
      grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  std::vector<latchkey::v1::Record> records;
  latchkey::v1::ListRecordsRequest request;
  request.set_namespace_(key_namespace);
  do {
    latchkey::v1::ListRecordsResponse page;
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    const grpc::Status status = admin->ListRecords(&context, request, &page);
    if (!status.ok()) {
      return absl::UnavailableError("cannot list Latchkey's records: " + status.error_message());
    }
    for (auto& record : *page.mutable_records()) records.push_back(std::move(record));
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return records;
}

}  // namespace latchkey::demo
