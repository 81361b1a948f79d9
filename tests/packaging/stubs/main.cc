// A program with the client and, beside it, the stock stubs: each descriptor is there only once, or
// this would end at its start.
#include <latchkey/client.h>
#include <latchkey/v1/admin.grpc.pb.h>

#include <cstdio>

#include <grpcpp/grpcpp.h>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  latchkey::Client client = latchkey::Client::Connect(argv[1]);
  const latchkey::RunResult run = client.RunOnce("order:2", {}, [](latchkey::Attempt&) {
    return latchkey::Succeeded({.provider_reference = "ch_2"});
  });
  auto admin = latchkey::v1::AdminService::NewStub(
      grpc::CreateChannel(argv[1], grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  latchkey::v1::GetRecordRequest request;
  request.set_key("order:2");
  latchkey::v1::GetRecordResponse response;
  const grpc::Status status = admin->GetRecord(&context, request, &response);
  std::printf("%s %s\n", ToString(run.status),
              response.record().result().provider_reference().c_str());
  return status.ok() && run.status == latchkey::RunResult::Status::kSucceeded ? 0 : 1;
}
