#include "tools/load_generator/caller.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "latchkey/v1/coordination.grpc.pb.h"
#include "tools/load_generator/channels.h"
#include <grpcpp/grpcpp.h>

namespace latchkey::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;
using Stub = v1::CoordinationService::Stub;

constexpr int kConnections = 8;
constexpr int kAcquireAtOnce = 500;
// Renewals are spread over their interval in steps of this.
constexpr std::chrono::milliseconds kRenewalTick(100);

void SetDuration(std::chrono::milliseconds from, google::protobuf::Duration& to) {
  to.set_seconds(from.count() / 1000);
  to.set_nanos(static_cast<std::int32_t>(from.count() % 1000 * 1'000'000));
}

absl::Status ToStatus(const grpc::Status& status) {
  return status.ok() ? absl::OkStatus() : absl::UnavailableError(status.error_message());
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

// One call of gRPC; deleted when it has ended.
template <typename Request, typename Response>
struct UnaryCall {
  grpc::ClientContext context;
  Request request;
  Response response;
};

class UnaryCaller final : public Caller {
 public:
  explicit UnaryCaller(const std::string& address) {
    for (const auto& channel : ConnectChannels(address, kConnections)) {
      stubs_.push_back(v1::CoordinationService::NewStub(channel));
    }
  }

  void Acquire(const AcquireOptions& options,
               std::function<void(absl::StatusOr<std::uint64_t>)> done) override {
    auto* call = new UnaryCall<v1::AcquireLockRequest, v1::AcquireLockResponse>;
    call->request.set_key(options.key);
    call->request.set_attempt_id(options.attempt_id);
    SetDuration(options.lease, *call->request.mutable_lease_duration());
    SetDuration(options.wait, *call->request.mutable_wait_timeout());
    NextStub().async()->AcquireLock(&call->context, &call->request, &call->response,
                                    [call, done = std::move(done)](const grpc::Status& status) {
                                      absl::StatusOr<std::uint64_t> token =
                                          absl::NotFoundError("answered without a grant");
                                      if (!status.ok()) {
                                        token = ToStatus(status);
                                      } else if (call->response.has_grant()) {
                                        token = call->response.grant().fencing_token();
                                      }
                                      delete call;
                                      done(token);
                                    });
  }

  void Release(const Lease& lease, std::function<void(absl::Status)> done) override {
    auto* call = new UnaryCall<v1::ReleaseRequest, v1::ReleaseResponse>;
    call->request.set_key(lease.key);
    call->request.set_fencing_token(lease.token);
    NextStub().async()->Release(&call->context, &call->request, &call->response,
                                [call, done = std::move(done)](const grpc::Status& status) {
                                  delete call;
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
    auto* call = new UnaryCall<v1::RenewLeaseRequest, v1::RenewLeaseResponse>;
    call->request.set_key(lease.key);
    call->request.set_fencing_token(lease.token);
    NextStub().async()->RenewLease(&call->context, &call->request, &call->response,
                                   [call, &pending](const grpc::Status& status) {
                                     delete call;
                                     pending.End(ToStatus(status));
                                   });
  }

  Stub& NextStub() { return *stubs_[next_++ % stubs_.size()]; }

  std::vector<std::unique_ptr<Stub>> stubs_;
  std::atomic<std::size_t> next_ = 0;
};

}  // namespace

std::unique_ptr<Caller> MakeCaller(Transport transport, const std::string& address) {
  switch (transport) {
    case Transport::kUnary:
      return std::make_unique<UnaryCaller>(address);
  }
  return nullptr;
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
