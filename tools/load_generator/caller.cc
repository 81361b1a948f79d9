#include "tools/load_generator/caller.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "client/src/grpc_transport.h"
#include "client/src/system_runtime.h"
#include "latchkey/v1/coordination.pb.h"

namespace latchkey::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;
using client::internal::CallStatus;

constexpr int kConnections = 8;
// So many that a hundred thousand waits fit: a session has at most 65,536 calls under way.
constexpr int kSessions = 4;
constexpr int kAcquireAtOnce = 500;
// Beyond what a call is to wait.
constexpr std::chrono::seconds kPatience(60);
// Renewals are spread over their interval in steps of this.
constexpr std::chrono::milliseconds kRenewalTick(100);

void SetDuration(std::chrono::milliseconds from, google::protobuf::Duration& to) {
  to.set_seconds(from.count() / 1000);
  to.set_nanos(static_cast<std::int32_t>(from.count() % 1000 * 1'000'000));
}

absl::Status ToStatus(const CallStatus& status) {
  return status.code == grpc::StatusCode::OK ? absl::OkStatus()
                                             : absl::UnavailableError(status.message);
}

// Counts what is under way, and keeps the first error.
class Pending {
 public:
  void Begin() {
    const std::lock_guard lock(mutex_);
    ++count_;
  }
  void End(const absl::Status& status) {
    const std::lock_guard lock(mutex_);
    --count_;
    if (first_error_.ok()) first_error_ = status;
    changed_.notify_all();
  }
  // Waits until fewer than `limit` are under way.
  absl::Status AwaitBelow(int limit) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return count_ < limit; });
    return first_error_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;             // under mutex_
  absl::Status first_error_;  // under mutex_
};

// Over the client library's transports, below its leases and retries.
class TransportCaller final : public Caller {
 public:
  TransportCaller(TransportKind kind, const std::string& address) {
    const int connections = kind == TransportKind::kUnary ? kConnections : kSessions;
    for (int i = 0; i < connections; ++i) {
      transports_.push_back(client::internal::MakeGrpcTransport(address, kind, runtime_));
    }
  }
  ~TransportCaller() override {
    runtime_->Stop();
    for (const auto& transport : transports_) transport->Shutdown();
  }

  void Acquire(const AcquireOptions& options,
               std::function<void(absl::StatusOr<std::uint64_t>)> done) override {
    v1::AcquireLockRequest request;
    request.set_key(options.key);
    request.set_attempt_id(options.attempt_id);
    SetDuration(options.lease, *request.mutable_lease_duration());
    SetDuration(options.wait, *request.mutable_wait_timeout());
    Next().AcquireLock(std::move(request), {.timeout = options.wait + kPatience},
                       [done = std::move(done)](const CallStatus& status,
                                                const v1::AcquireLockResponse& response) {
                         if (status.code != grpc::StatusCode::OK) return done(ToStatus(status));
                         if (response.has_grant()) return done(response.grant().fencing_token());
                         done(absl::NotFoundError("answered without a grant"));
                       });
  }

  void Release(const Lease& lease, std::function<void(absl::Status)> done) override {
    v1::ReleaseRequest request;
    request.set_key(lease.key);
    request.set_fencing_token(lease.token);
    Next().Release(std::move(request), {.timeout = kPatience},
                   [done = std::move(done)](const CallStatus& status, const v1::ReleaseResponse&) {
                     done(ToStatus(status));
                   });
  }

  absl::StatusOr<std::uint64_t> KeepAlive(const std::vector<Lease>& leases,
                                          std::chrono::milliseconds interval,
                                          std::chrono::milliseconds length) override {
    const auto ticks = static_cast<std::size_t>(std::max<std::int64_t>(1, interval / kRenewalTick));
    const auto begin = SteadyClock::now();
    Pending pending;
    std::uint64_t sent = 0;
    for (std::size_t tick = 0; begin + tick * kRenewalTick < begin + length; ++tick) {
      std::this_thread::sleep_until(begin + tick * kRenewalTick);
      for (std::size_t i = tick % ticks; i < leases.size(); i += ticks) {
        Renew(leases[i], pending);
        ++sent;
      }
    }
    if (auto done = pending.AwaitBelow(1); !done.ok()) return done;
    return sent;
  }

 private:
  void Renew(const Lease& lease, Pending& pending) {
    pending.Begin();
    v1::RenewLeaseRequest request;
    request.set_key(lease.key);
    request.set_fencing_token(lease.token);
    Next().RenewLease(std::move(request), {.timeout = kPatience},
                      [&pending](const CallStatus& status, const v1::RenewLeaseResponse&) {
                        pending.End(ToStatus(status));
                      });
  }

  client::internal::Transport& Next() { return *transports_[next_++ % transports_.size()]; }

  const std::shared_ptr<client::internal::Runtime> runtime_ =
      std::make_shared<client::internal::SystemRuntime>();
  std::vector<std::shared_ptr<client::internal::Transport>> transports_;
  std::atomic<std::size_t> next_ = 0;
};

}  // namespace

std::unique_ptr<Caller> MakeCaller(Transport transport, const std::string& address) {
  const bool session = transport == Transport::kSession;
  return std::make_unique<TransportCaller>(
      session ? TransportKind::kSession : TransportKind::kUnary, address);
}

absl::StatusOr<std::vector<Lease>> AcquireMany(
    Caller& caller, const std::string& prefix, int count,
    const std::function<std::chrono::milliseconds()>& lease_of) {
  std::vector<Lease> leases(static_cast<std::size_t>(count));
  Pending pending;
  for (int number = 0; number < count; ++number) {
    Lease& lease = leases[static_cast<std::size_t>(number)];
    lease.key = prefix + ":" + std::to_string(number);
    if (auto below = pending.AwaitBelow(kAcquireAtOnce); !below.ok()) break;
    pending.Begin();
    caller.Acquire({.key = lease.key, .attempt_id = lease.key, .lease = lease_of()},
                   [&lease, &pending](absl::StatusOr<std::uint64_t> token) {
                     if (token.ok()) lease.token = *token;
                     pending.End(token.status());
                   });
  }
  if (auto done = pending.AwaitBelow(1); !done.ok()) return done;
  return leases;
}

}  // namespace latchkey::bench
