// What gRPC alone costs: a server with Latchkey's API and options that decides nothing and stores
// nothing. AcquireLock answers a fixed grant at once; CheckResult never answers, to show what a
// pending call costs.

#include <cstdio>

#include "latchkey/v1/coordination.grpc.pb.h"
#include "tools/process/end_signals.h"
#include <CLI/CLI.hpp>
#include <grpcpp/grpcpp.h>

namespace {

// Pending until its caller gives up.
class PendingCall final : public grpc::ServerUnaryReactor {
 public:
  void OnCancel() override { Finish(grpc::Status::CANCELLED); }
  void OnDone() override { delete this; }
};

class EchoService final : public latchkey::v1::CoordinationService::CallbackService {
 public:
  EchoService() {
    auto& grant = *grant_.mutable_grant();
    grant.set_fencing_token(1'000'000);
    grant.set_mode(latchkey::v1::Grant::EXECUTE);
    grant.set_attempt_number(1);
    grant.mutable_lease_remaining()->set_seconds(29);
    grant.mutable_lease_remaining()->set_nanos(999'000'000);
    grant.set_downstream_idempotency_key("d056976f-8e1b-5e57-8e74-6fd53c58d4c4");
    grant.mutable_downstream_key_remaining();
    grant_.mutable_server_elapsed()->set_nanos(200'000);
  }

  grpc::ServerUnaryReactor* AcquireLock(grpc::CallbackServerContext* context,
                                        const latchkey::v1::AcquireLockRequest*,
                                        latchkey::v1::AcquireLockResponse* response) override {
    *response = grant_;
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  grpc::ServerUnaryReactor* CheckResult(grpc::CallbackServerContext*,
                                        const latchkey::v1::CheckResultRequest*,
                                        latchkey::v1::CheckResultResponse*) override {
    return new PendingCall;
  }

 private:
  latchkey::v1::AcquireLockResponse grant_;
};

}  // namespace

int main(int argc, char** argv) {
  std::string address = "127.0.0.1:0";
  CLI::App app("latchkey_echo: answers AcquireLock without doing anything");
  app.add_option("--listen-address", address);
  CLI11_PARSE(app, argc, argv);
  const latchkey::EndSignals end;  // before any thread starts

  EchoService service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    std::fprintf(stderr, "latchkey_echo: cannot listen on %s\n", address.c_str());
    return 2;
  }
  std::printf("latchkey_echo is serving on 127.0.0.1:%d\n", port);
  std::fflush(stdout);
  end.Await();
  server->Shutdown(std::chrono::system_clock::now());
  return 0;
}
