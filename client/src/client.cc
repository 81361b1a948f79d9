#include "latchkey/client.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core.h"
#include "failover_transport.h"
#include "grpc_transport.h"
#include "rpc_connection.h"
#include "run_once.h"
#include "system_runtime.h"

namespace latchkey::inline client {
namespace {

using internal::Core;
using std::chrono::nanoseconds;

// Longer than anything makes sense, and short enough to be added to a clock.
constexpr nanoseconds kLongest = std::chrono::hours(24 * 366 * 50);

// So that arithmetic with what a caller chose stays defined; what is wrong with it the service
// says.
void Bound(nanoseconds& duration) { duration = std::clamp(duration, -kLongest, kLongest); }

AcquireOptions Bounded(AcquireOptions options) {
  Bound(options.lease_duration);
  Bound(options.wait_timeout);
  Bound(options.acquire_timeout);
  Bound(options.record_timeout);
  return options;
}

CheckOptions Bounded(CheckOptions options) {
  Bound(options.wait_timeout);
  Bound(options.timeout);
  return options;
}

IssueOptions Bounded(IssueOptions options) {
  Bound(options.timeout);
  return options;
}

RunResult NothingToRun() {
  return internal::Failed<RunResult>({.kind = Error::Kind::kRefused,
                                      .reason = "CREATE_REQUIRED",
                                      .message = "RunOnce needs a function that does the work"});
}

// Runs what the lease allows, and tells `done` when all is over and the lease is let go.
void RunUnder(std::shared_ptr<Lease> lease, const AsyncWork& create, const AsyncWork& recover,
              Callback<RunResult> done) {
  const auto run = std::make_shared<internal::Run>(*lease, recover != nullptr);
  const auto keeper = std::make_shared<std::shared_ptr<Lease>>(lease);
  const auto conclude = [run, keeper, done = std::move(done)] {
    run->Conclude([keeper, done](RunResult result) {
      keeper->reset();  // First: `done` may be what the owner of the last Client waits for.
      done(std::move(result));
    });
  };
  const AsyncWork* const work = run->Choose(create, recover);
  if (work == nullptr) return conclude();
  internal::Call(*work, std::move(lease),
                 [run, conclude](Outcome outcome, std::exception_ptr thrown) {
                   run->Set(std::move(outcome), std::move(thrown));
                   conclude();
                 });
}

}  // namespace

Client Client::Connect(const std::string& target, ClientOptions options) {
  Bound(options.rpc_timeout);
  const auto runtime = std::make_shared<internal::SystemRuntime>();
  std::vector<std::shared_ptr<internal::Transport>> transports;
  for (const std::string& address : internal::AddressesIn(target)) {
    transports.push_back(internal::MakeGrpcTransport(address, options.transport, runtime, options));
  }
  internal::Link link{.runtime = runtime,
                      .transport = internal::MakeFailoverTransport(std::move(transports)),
                      .rpc_timeout = options.rpc_timeout,
                      .backoff = internal::Backoff(options.backoff_min, options.backoff_max)};
  return Client(std::make_shared<internal::RpcConnection>(std::move(link)), std::move(options));
}

Client::Client(std::shared_ptr<internal::Connection> connection, ClientOptions options)
    : key_namespace_(options.key_namespace) {
  core_ = std::make_shared<Core>(std::move(connection), std::move(options));
}

Client Client::InNamespace(std::string key_namespace) const {
  Client other = *this;
  other.key_namespace_ = std::move(key_namespace);
  return other;
}

RunResult Client::RunOnce(std::string_view key, const AcquireOptions& options, const Work& create,
                          const Work& recover) {
  if (!create) return NothingToRun();
  const std::shared_ptr<Core> core = core_;  // The work may destroy this Client.
  AcquireAnswer acquired = AcquireLock(key, options);
  Lease* const lease = std::get_if<Lease>(&acquired);
  if (lease == nullptr) return internal::RunNothing(std::move(acquired));
  internal::Run run(*lease, recover != nullptr);
  if (const Work* const work = run.Choose(create, recover)) {
    auto [outcome, thrown] = internal::Call(*work, *lease);
    run.Set(std::move(outcome), std::move(thrown));
  }
  if (core->forked()) return run.Abandon(internal::AfterFork());
  return core->Await<RunResult>([&](auto done) { run.Conclude(std::move(done)); });
}

void Client::RunOnceAsync(std::string_view key, const AcquireOptions& options, AsyncWork create,
                          AsyncWork recover, Callback<RunResult> callback) {
  core_->Go(std::move(callback), [&](Callback<RunResult> done) {
    if (!create) return done(NothingToRun());
    const auto run = [create = std::move(create), recover = std::move(recover), done,
                      executor = core_->executor()](AcquireAnswer acquired) {
      Lease* const granted = std::get_if<Lease>(&acquired);
      if (granted == nullptr) return done(internal::RunNothing(std::move(acquired)));
      auto lease =
          std::make_shared<std::shared_ptr<Lease>>(std::make_shared<Lease>(std::move(*granted)));
      internal::Dispatch(executor, [create, recover, done, lease] {
        RunUnder(std::move(*lease), create, recover, done);
      });
    };
    core_->Acquire({key_namespace_, std::string(key)}, Bounded(options), run);
  });
}

AcquireAnswer Client::AcquireLock(std::string_view key, const AcquireOptions& options) {
  return core_->Await<AcquireAnswer>([&](auto done) {
    core_->Acquire({key_namespace_, std::string(key)}, Bounded(options), std::move(done));
  });
}

void Client::AcquireLockAsync(std::string_view key, const AcquireOptions& options,
                              Callback<AcquireAnswer> callback) {
  core_->Go(std::move(callback), [&](auto done) {
    core_->Acquire({key_namespace_, std::string(key)}, Bounded(options), std::move(done));
  });
}

Answer<KeyStatus> Client::CheckResult(std::string_view key, const CheckOptions& options) {
  return core_->Await<Answer<KeyStatus>>([&](auto done) {
    core_->connection().CheckResult({{key_namespace_, std::string(key)}, Bounded(options)},
                                    std::move(done));
  });
}

void Client::CheckResultAsync(std::string_view key, const CheckOptions& options,
                              Callback<Answer<KeyStatus>> callback) {
  core_->Go(std::move(callback), [&](auto done) {
    core_->connection().CheckResult({{key_namespace_, std::string(key)}, Bounded(options)},
                                    std::move(done));
  });
}

Answer<std::string> Client::IssueKey(const IssueOptions& options) {
  return core_->Await<Answer<std::string>>([&](auto done) {
    core_->connection().IssueKey({key_namespace_, Bounded(options)}, std::move(done));
  });
}

void Client::IssueKeyAsync(const IssueOptions& options, Callback<Answer<std::string>> callback) {
  core_->Go(std::move(callback), [&](auto done) {
    core_->connection().IssueKey({key_namespace_, Bounded(options)}, std::move(done));
  });
}

std::size_t Client::undelivered() const {
  return core_->forked() ? 0 : core_->deliveries().count();
}

std::string Client::outbox_error() const {
  return core_->forked() ? internal::AfterFork().message : core_->deliveries().outbox_error();
}

}  // namespace latchkey::inline client
