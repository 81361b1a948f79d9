// Repeats the tries of one call until there is an answer or the time is up.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "backoff.h"
#include "failure.h"
#include "runtime.h"
#include "transport.h"

namespace latchkey::inline client::internal {

// What is repeated. An answer never is.
enum class RetryRule {
  // Nothing: the caller has a rhythm of its own.
  kNever,
  // Tries that broke on the way. For calls that may still be given up.
  kBroken,
  // Everything that is not an answer. For calls that end something begun: giving up would lose it.
  kEverything,
};

template <typename T>
using Callback = std::function<void(T)>;

template <typename Response>
class RetryLoop : public std::enable_shared_from_this<RetryLoop<Response>> {
 public:
  // Begins a try of at most `time_left`, which counts down to the call's deadline.
  using Try = std::function<void(std::chrono::nanoseconds time_left, Done<Response>)>;

  struct Policy {
    RetryRule rule;
    BootClock::time_point deadline;
    Backoff backoff;
  };

  // Runs `attempt` at least once; calls `callback` once, on whatever thread the end is seen. Lives
  // as long as something is under way.
  static void Run(std::shared_ptr<Runtime> runtime, Policy policy, Try attempt,
                  Callback<Answer<Response>> callback) {
    std::shared_ptr<RetryLoop> loop(
        new RetryLoop(std::move(runtime), policy, std::move(attempt), std::move(callback)));
    loop->Start();
  }

 private:
  RetryLoop(std::shared_ptr<Runtime> runtime, Policy policy, Try attempt,
            Callback<Answer<Response>> callback)
      : runtime_(std::move(runtime)),
        policy_(policy),
        try_(std::move(attempt)),
        callback_(std::move(callback)) {}

  void Start() {
    const auto left = std::max(policy_.deadline - runtime_->Now(), BootClock::duration(0));
    try_(left, [self = this->shared_from_this()](const CallStatus& status, Response response) {
      self->OnDone(status, std::move(response));
    });
  }

  void OnDone(const CallStatus& status, Response response) {
    if (status.code == grpc::StatusCode::OK) return callback_(std::move(response));
    Failure failure = Explain(status);
    const auto next =
        runtime_->Now() + std::max(policy_.backoff.Next(runtime_->Random()), failure.retry_after);
    if (!MayRetry(failure) || next >= policy_.deadline) return callback_(std::move(failure.error));
    runtime_->RunAt(next, [self = this->shared_from_this()] { self->Start(); });
  }

  bool MayRetry(const Failure& failure) const {
    if (failure.error.kind == Error::Kind::kRefused) return false;
    if (policy_.rule == RetryRule::kBroken) return failure.broken;
    return policy_.rule == RetryRule::kEverything;
  }

  const std::shared_ptr<Runtime> runtime_;
  Policy policy_;  // Touched by one try at a time.
  const Try try_;
  const Callback<Answer<Response>> callback_;
};

}  // namespace latchkey::inline client::internal
