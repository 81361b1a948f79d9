// Servers that answer garbage: bytes that are no HTTP/2, and messages that make no sense.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <limits>
#include <random>
#include <thread>

#include "latchkey/client.h"
#include "latchkey/v1/coordination.grpc.pb.h"
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using Status = RunResult::Status;

Work MustNotRun() {
  return [](Attempt&) {
    ADD_FAILURE() << "the work ran without a lock";
    return Succeeded({});
  };
}

// Answers every connection with random bytes, and closes it.
class RandomBytesServer {
 public:
  RandomBytesServer() : listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
    listen(listener_, 16);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this] { Serve(); });
  }
  ~RandomBytesServer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  const std::string& address() const { return address_; }

 private:
  void Serve() {
    std::mt19937 random(1);
    for (int peer = 0; (peer = accept(listener_, nullptr, nullptr)) >= 0; close(peer)) {
      std::string bytes(1 + random() % 5000, '\0');
      for (char& byte : bytes) byte = static_cast<char>(random());
      // Sometimes it begins as HTTP/2 does: an empty SETTINGS frame.
      if (random() % 2 == 0) bytes.replace(0, 9, std::string("\0\0\0\4\0\0\0\0\0", 9));
      (void)send(peer, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    }
  }

  const int listener_;
  std::string address_;
  std::thread thread_;
};

TEST(BadServerTest, RandomBytes_AreNoAnswer) {
  const RandomBytesServer server;
  Client client = Client::Connect(server.address(), {.rpc_timeout = milliseconds(200)});
  const RunResult run =
      client.RunOnce("order:1", {.acquire_timeout = seconds(2)}, MustNotRun(), MustNotRun());
  EXPECT_EQ(run.status, Status::kUnavailable);
  EXPECT_FALSE(client.CheckResult("order:1", {.timeout = seconds(1)}).ok());
  EXPECT_FALSE(client.IssueKey({.timeout = seconds(1)}).ok());
}

// Answers OK with what a test gives it.
class NonsenseService final : public v1::CoordinationService::Service {
 public:
  v1::AcquireLockResponse acquire;
  v1::RenewLeaseResponse renew;
  v1::RecordResultResponse record;
  v1::CheckResultResponse check;

  grpc::Status AcquireLock(grpc::ServerContext*, const v1::AcquireLockRequest*,
                           v1::AcquireLockResponse* response) override {
    *response = acquire;
    return grpc::Status::OK;
  }
  grpc::Status RenewLease(grpc::ServerContext*, const v1::RenewLeaseRequest*,
                          v1::RenewLeaseResponse* response) override {
    *response = renew;
    return grpc::Status::OK;
  }
  grpc::Status RecordResult(grpc::ServerContext*, const v1::RecordResultRequest*,
                            v1::RecordResultResponse* response) override {
    *response = record;
    return grpc::Status::OK;
  }
  grpc::Status CheckResult(grpc::ServerContext*, const v1::CheckResultRequest*,
                           v1::CheckResultResponse* response) override {
    *response = check;
    return grpc::Status::OK;
  }
  grpc::Status Release(grpc::ServerContext*, const v1::ReleaseRequest*,
                       v1::ReleaseResponse*) override {
    return grpc::Status::OK;
  }
  grpc::Status IssueKey(grpc::ServerContext*, const v1::IssueKeyRequest*,
                        v1::IssueKeyResponse*) override {
    return grpc::Status::OK;
  }
};

class NonsenseTest : public testing::Test {
 protected:
  NonsenseTest() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    client_.emplace(Client::Connect("127.0.0.1:" + std::to_string(port_)));
  }

  // A grant as it should be.
  v1::Grant& Grant() {
    v1::Grant& grant = *service_.acquire.mutable_grant();
    grant.set_fencing_token(7);
    grant.set_mode(v1::Grant::EXECUTE);
    grant.mutable_lease_remaining()->set_seconds(30);
    return grant;
  }

  NonsenseService service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  std::optional<Client> client_;
};

TEST_F(NonsenseTest, NoGrantThatIsOne_RunsNothing) {
  EXPECT_EQ(client_->RunOnce("order:1", {}, MustNotRun()).status, Status::kUnavailable) << "empty";
  Grant().set_fencing_token(0);
  EXPECT_EQ(client_->RunOnce("order:1", {}, MustNotRun()).status, Status::kUnavailable);
  Grant().set_mode(static_cast<v1::Grant::Mode>(77));
  EXPECT_EQ(client_->RunOnce("order:1", {}, MustNotRun()).status, Status::kInDoubt);
  Grant().mutable_lease_remaining()->set_seconds(-30);
  EXPECT_EQ(client_->RunOnce("order:1", {}, MustNotRun()).status, Status::kUnavailable);
  Grant().mutable_lease_remaining()->set_seconds(2);
  service_.acquire.mutable_grant()->mutable_lease_remaining()->set_nanos(
      std::numeric_limits<std::int32_t>::min());
  EXPECT_EQ(client_->RunOnce("order:1", {}, MustNotRun()).status, Status::kUnavailable);
  service_.acquire.mutable_completed()->mutable_result()->set_outcome(
      static_cast<v1::Result::Outcome>(9));
  EXPECT_EQ(client_->RunOnce("order:1", {}, MustNotRun()).status, Status::kUnavailable);
}

TEST_F(NonsenseTest, LeasesThatLastForever_AreNotBelievedIn) {
  Grant().mutable_lease_remaining()->set_seconds(std::numeric_limits<std::int64_t>::max());
  service_.acquire.mutable_server_elapsed()->set_seconds(std::numeric_limits<std::int64_t>::max());
  AcquireAnswer acquired = client_->AcquireLock("order:1");
  Lease& lease = std::get<Lease>(acquired);
  EXPECT_GT(lease.remaining(), minutes(15));
  EXPECT_LT(lease.remaining(), hours(1));
  service_.renew.mutable_lease_remaining()->set_seconds(std::numeric_limits<std::int64_t>::max());
  EXPECT_LT(*lease.Renew(), hours(1));
}

TEST_F(NonsenseTest, RecordedAsNothing_IsNotConfirmed) {
  Grant();
  const RunResult run =
      client_->RunOnce("order:1", {}, [](Attempt&) { return Succeeded({.code = "ok"}); });
  EXPECT_EQ(run.status, Status::kUnrecorded);
  EXPECT_TRUE(run.delivering);
  EXPECT_EQ(run.own->fields().code, "ok");
}

TEST_F(NonsenseTest, OtherAnswersThatAreNone_AreErrors) {
  EXPECT_FALSE(client_->CheckResult("order:1").ok());
  service_.check.set_state(v1::CheckResultResponse::COMPLETED);
  EXPECT_FALSE(client_->CheckResult("order:1").ok()) << "completed without a result";
  EXPECT_FALSE(client_->IssueKey().ok()) << "an empty key";
  Grant();
  AcquireAnswer acquired = client_->AcquireLock("order:1");
  EXPECT_FALSE(std::get<Lease>(acquired).Release(Effect::kNotExecuted).ok());
}

}  // namespace
}  // namespace latchkey
