// Repeats the tries of one call until there is an answer, the time is up, or the caller asks to
// stop.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>

#include "backoff.h"
#include "failure.h"
#include "latchkey/async.h"
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

inline Error Cancelled() {
  return {.kind = Error::Kind::kUnavailable,
          .reason = "CANCELLED",
          .message = "the caller asked to stop"};
}

template <typename Response>
class RetryLoop : public std::enable_shared_from_this<RetryLoop<Response>> {
 public:
  // Begins a try of at most `time_left`, which counts down to the call's deadline.
  using Try = std::function<void(std::chrono::nanoseconds time_left, Done<Response>)>;

  struct Policy {
    RetryRule rule;
    BootClock::time_point deadline;
    Backoff backoff;
    // Ends a pause; the try is to look at it itself.
    std::stop_token stop = {};
  };

  // Runs `attempt` at least once, unless stopped already; calls `callback` once, on whatever thread
  // the end is seen. Lives as long as something is under way.
  static void Run(std::shared_ptr<Runtime> runtime, Policy policy, Try attempt,
                  Callback<Answer<Response>> callback) {
    std::shared_ptr<RetryLoop> loop(new RetryLoop(std::move(runtime), std::move(policy),
                                                  std::move(attempt), std::move(callback)));
    if (loop->policy_.stop.stop_possible()) loop->stop_.emplace(loop->policy_.stop, Stop{loop});
    loop->Start();
  }

 private:
  // Wakes a loop that pauses, on the runtime's thread and not on that of whoever asks to stop.
  struct Stop {
    std::weak_ptr<RetryLoop> loop;
    void operator()() const {
      const auto self = loop.lock();
      if (self) self->runtime_->RunAt(self->runtime_->Now(), [self] { self->Resume(); });
    }
  };

  RetryLoop(std::shared_ptr<Runtime> runtime, Policy policy, Try attempt,
            Callback<Answer<Response>> callback)
      : runtime_(std::move(runtime)),
        policy_(std::move(policy)),
        try_(std::move(attempt)),
        callback_(std::move(callback)) {}

  void Start() {
    if (policy_.stop.stop_requested()) return callback_(Cancelled());
    const auto left = std::max(policy_.deadline - runtime_->Now(), BootClock::duration(0));
    try_(left, [self = this->shared_from_this()](const CallStatus& status, Response response) {
      self->OnDone(status, std::move(response));
    });
  }

  void OnDone(const CallStatus& status, Response response) {
    if (status.code == grpc::StatusCode::OK) return callback_(std::move(response));
    if (policy_.stop.stop_requested()) return callback_(Cancelled());
    Failure failure = Explain(status);
    const auto next =
        runtime_->Now() + std::max(policy_.backoff.Next(runtime_->Random()), failure.retry_after);
    if (!MayRetry(failure) || next >= policy_.deadline) return callback_(std::move(failure.error));
    MutexLock lock(mutex_);
    // Asked to stop meanwhile: Resume, if it has been here, found no pause to end.
    const auto when = policy_.stop.stop_requested() ? runtime_->Now() : next;
    pause_ = runtime_->RunAt(when, [self = this->shared_from_this()] { self->Resume(); });
  }

  // Ends the pause, if there is one.
  void Resume() {
    {
      MutexLock lock(mutex_);
      if (!pause_) return;
      runtime_->Cancel(*pause_);
      pause_.reset();
    }
    Start();
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
  Mutex mutex_;
  std::optional<Runtime::TimerId> pause_ GUARDED_BY(mutex_);
  std::optional<std::stop_callback<Stop>> stop_;
};

}  // namespace latchkey::inline client::internal
