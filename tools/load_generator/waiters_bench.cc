// Many waiters on one key: what each costs, and what handing the key on takes.

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <mutex>

#include "latchkey/v1/admin.grpc.pb.h"
#include "latchkey/v1/coordination.grpc.pb.h"
#include "tools/load_generator/benches.h"
#include "tools/load_generator/report.h"
#include "tools/load_generator/scratch.h"
#include <grpcpp/grpcpp.h>

namespace latchkey::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;
using Stub = v1::CoordinationService::Stub;

constexpr char kKey[] = "hot";

// One waiting AcquireLock after the other is granted; counts how many are answered at each release.
class Waiters {
 public:
  Waiters(Stub& stub, int count) : stub_(stub), calls_(static_cast<std::size_t>(count)) {
    for (std::size_t i = 0; i < calls_.size(); ++i) Send(i);
  }
  ~Waiters() {
    for (auto& call : calls_) call.context.TryCancel();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return answered_ == static_cast<int>(calls_.size()); });
  }

  // Waits for the `number`th answer; the token that it brought.
  std::uint64_t TokenOfAnswer(int number) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return static_cast<int>(tokens_.size()) >= number; });
    return tokens_[static_cast<std::size_t>(number) - 1];
  }
  int answered() const { return answered_.load(); }

 private:
  struct Pending {
    grpc::ClientContext context;
    v1::AcquireLockRequest request;
    v1::AcquireLockResponse response;
  };

  void Send(std::size_t i) {
    Pending& call = calls_[i];
    call.request.set_key(kKey);
    call.request.set_attempt_id("waiter:" + std::to_string(i));
    call.request.mutable_lease_duration()->set_seconds(600);
    call.request.mutable_wait_timeout()->set_seconds(60);
    stub_.async()->AcquireLock(&call.context, &call.request, &call.response,
                               [this, &call](const grpc::Status& status) {
                                 const std::lock_guard lock(mutex_);
                                 ++answered_;
                                 if (status.ok() && call.response.has_grant()) {
                                   tokens_.push_back(call.response.grant().fencing_token());
                                 }
                                 changed_.notify_all();
                               });
  }

  Stub& stub_;
  std::deque<Pending> calls_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::uint64_t> tokens_;
  std::atomic<int> answered_ = 0;
};

// Resident bytes that each of `count` pending empty calls costs an echo server.
absl::StatusOr<double> BytesOfAPendingCall(const BenchOptions& options, const std::string& log) {
  auto echo = ServerProcess::Start({{options.echo, "--listen-address=127.0.0.1:0"}, log});
  if (!echo.ok()) return echo.status();
  const auto stub = v1::CoordinationService::NewStub(
      grpc::CreateChannel(echo->address(), grpc::InsecureChannelCredentials()));
  const auto round_trip = [&] {
    grpc::ClientContext context;
    v1::AcquireLockResponse response;
    return stub->AcquireLock(&context, v1::AcquireLockRequest(), &response).ok();
  };
  if (!round_trip()) return absl::UnavailableError("the echo server does not answer");
  const auto before = ResidentBytes(*echo);
  std::deque<grpc::ClientContext> contexts(static_cast<std::size_t>(options.waiters));
  std::deque<v1::CheckResultResponse> responses(contexts.size());
  const v1::CheckResultRequest request;
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t ended = 0;
  for (std::size_t i = 0; i < contexts.size(); ++i) {
    stub->async()->CheckResult(&contexts[i], &request, &responses[i], [&](const grpc::Status&) {
      const std::lock_guard lock(mutex);
      ++ended;
      changed.notify_all();
    });
  }
  // A call sent behind them on the same connection is answered when they have all arrived.
  if (!round_trip()) return absl::UnavailableError("the echo server does not answer");
  const auto after = ResidentBytes(*echo);
  for (auto& context : contexts) context.TryCancel();
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return ended == contexts.size(); });
  return static_cast<double>(after - before) / options.waiters;
}

absl::Status AwaitWaiters(v1::AdminService::Stub& admin, int count) {
  const auto until = SteadyClock::now() + std::chrono::seconds(60);
  while (SteadyClock::now() < until) {
    grpc::ClientContext context;
    v1::GetServerStatusResponse status;
    if (!admin.GetServerStatus(&context, {}, &status).ok()) break;
    if (status.waiters() == static_cast<std::uint32_t>(count)) return absl::OkStatus();
  }
  return absl::UnavailableError("the waiters did not all arrive");
}

absl::Status Release(Stub& stub, std::uint64_t token) {
  grpc::ClientContext context;
  v1::ReleaseRequest request;
  request.set_key(kKey);
  request.set_fencing_token(token);
  v1::ReleaseResponse response;
  const auto status = stub.Release(&context, request, &response);
  return status.ok() ? absl::OkStatus() : absl::UnavailableError(status.error_message());
}

}  // namespace

absl::Status BenchWaiters(const BenchOptions& options) {
  ScratchDirectory scratch(options.output);
  const std::string log = (scratch.path() / "log").string();
  ShowProgress("waiters: pending empty calls");
  const auto empty = BytesOfAPendingCall(options, log);
  if (!empty.ok()) return empty.status();
  auto server = ServerProcess::Start(
      {{options.latchkeyd, "--listen-address=127.0.0.1:0", "--waiters-per-key-max=100000",
        "--store=rocksdb:" + (scratch.path() / "store").string()},
       log});
  if (!server.ok()) return server.status();
  const auto channel = grpc::CreateChannel(server->address(), grpc::InsecureChannelCredentials());
  const auto stub = v1::CoordinationService::NewStub(channel);
  const auto admin = v1::AdminService::NewStub(channel);
  v1::AcquireLockRequest request;
  request.set_key(kKey);
  request.set_attempt_id("holder");
  request.mutable_lease_duration()->set_seconds(600);
  v1::AcquireLockResponse held;
  grpc::ClientContext context;
  if (!stub->AcquireLock(&context, request, &held).ok())
    return absl::UnavailableError("not granted");
  const auto before = ResidentBytes(*server);
  Waiters waiters(*stub, options.waiters);
  ShowProgress("waiters: arriving");
  if (auto arrived = AwaitWaiters(*admin, options.waiters); !arrived.ok()) return arrived;
  const double each = static_cast<double>(ResidentBytes(*server) - before) / options.waiters;

  // As many hand-overs as fit into half the time that the waiters have.
  std::uint64_t token = held.grant().fencing_token();
  int handed_over = 0;
  int woken_more = 0;
  const auto begin = SteadyClock::now();
  while (handed_over < options.waiters && SteadyClock::now() - begin < options.measure) {
    if (auto released = Release(*stub, token); !released.ok()) return released;
    token = waiters.TokenOfAnswer(++handed_over);
    if (waiters.answered() != handed_over) ++woken_more;
  }
  const std::chrono::duration<double> took = SteadyClock::now() - begin;
  ShowProgress("");
  std::printf(
      "waiters: %d on one key: %.0f bytes each, a pending empty call %.0f bytes, over it %.0f "
      "bytes (wanted: under 1024)\n",
      options.waiters, each, *empty, each - *empty);
  std::printf(
      "waiters: %d hand-overs, %.0f a second, releases that woke more than one: %d (wanted: 0)\n",
      handed_over, handed_over / took.count(), woken_more);
  return woken_more == 0 ? absl::OkStatus()
                         : absl::InternalError("a release woke more than one waiter");
}

}  // namespace latchkey::bench
