#include "testing/src/test_server.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "latchkey/v1/admin.grpc.pb.h"
#include "server/service/server.h"
#include "storage/memory_record_store.h"
#include "testing/src/paced_clock.h"
#include "testing/src/reply_faults.h"
#include <grpcpp/grpcpp.h>

namespace latchkey::testing_internal {
namespace {

// With what passes meanwhile, shorter than what the server takes for a stall, which would extend
// leases.
constexpr Duration kStep = std::chrono::milliseconds(200);
// No lease is longer.
constexpr Duration kLongestLease = std::chrono::minutes(15);

class SilentObserver final : public PartitionObserver {
  void OnStep(const std::string&, const Step&) override {}
  void OnStall(Duration) override {}
};

class MemoryServer final : public TestServer {
 public:
  MemoryServer() {
    ServerOptions options;
    options.store_name = "memory";
    options.partitions = 1;  // So that one look at the clock is that of all.
    options.configure_grpc = [this](grpc::ServerBuilder& builder) { faults_.Install(builder); };
    auto started = Server::Start(std::move(options), std::make_unique<storage::MemoryRecordStore>(),
                                 clock_, observer_, {});
    if (!started.ok()) throw std::runtime_error(std::string(started.status().message()));
    server_ = *std::move(started);
    address_ = "127.0.0.1:" + std::to_string(server_->port());
    admin_ = v1::AdminService::NewStub(
        grpc::CreateChannel(address_, grpc::InsecureChannelCredentials()));
  }

  ~MemoryServer() override {
    faults_.Release();
    (void)server_->Shutdown(Duration::zero());
  }

  const std::string& address() const override { return address_; }

  void AdvanceTime(std::chrono::nanoseconds by) override {
    MutexLock lock(advancing_);
    LookAtTheClock();
    for (Duration passed = Duration::zero(); passed < by;) {
      const Duration left = by - passed;
      const Duration step = passed < kLongestLease ? std::min(kStep, left) : left;
      clock_.Advance(step);
      LookAtTheClock();
      passed += step;
    }
  }

  void DropReplies(int count) override { faults_.Drop(count); }
  void StopAnswering() override { faults_.Hold(); }
  void ResumeAnswering() override { faults_.Release(); }

 private:
  // Returns when the partition has done so: any call that it decides will do.
  void LookAtTheClock() {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    v1::GetRecordRequest request;
    request.set_key("latchkey::testing");
    v1::GetRecordResponse response;
    (void)admin_->GetRecord(&context, request, &response);
  }

  PacedClock clock_;
  SilentObserver observer_;
  ReplyFaults faults_;
  std::unique_ptr<Server> server_;
  std::string address_;
  std::unique_ptr<v1::AdminService::Stub> admin_;
  // One AdvanceTime at a time.
  Mutex advancing_;
};

}  // namespace

std::unique_ptr<TestServer> TestServer::Start() { return std::make_unique<MemoryServer>(); }

}  // namespace latchkey::testing_internal
