// A call that waits in the service for longer than one RPC may: several RPCs, one after the other.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <utility>

#include "retry_loop.h"

namespace latchkey::inline client::internal {

// The service waits no longer for one call.
constexpr std::chrono::seconds kWaitMax(60);

template <typename Response>
class WaitingCall : public std::enable_shared_from_this<WaitingCall<Response>> {
 public:
  struct Times {
    // How long to wait in all, and how long to go on trying beyond that.
    std::chrono::nanoseconds wait;
    std::chrono::nanoseconds answer;
    // One try, beyond its wait.
    std::chrono::nanoseconds rpc;
    Backoff backoff;
    std::stop_token stop;
  };
  // Begins a try that waits for `wait` in the service.
  using Try = std::function<void(std::chrono::nanoseconds wait, TryLimits, Done<Response>)>;

  // `is_final` says of an answer that waiting longer cannot better it.
  static void Run(std::shared_ptr<Runtime> runtime, const Times& times, Try attempt,
                  std::function<bool(const Response&)> is_final,
                  Callback<Answer<Response>> callback) {
    std::shared_ptr<WaitingCall> call(new WaitingCall(std::move(runtime), times, std::move(attempt),
                                                      std::move(is_final), std::move(callback)));
    call->Start();
  }

 private:
  WaitingCall(std::shared_ptr<Runtime> runtime, const Times& times, Try attempt,
              std::function<bool(const Response&)> is_final, Callback<Answer<Response>> callback)
      : runtime_(std::move(runtime)),
        times_(times),
        try_(std::move(attempt)),
        is_final_(std::move(is_final)),
        callback_(std::move(callback)),
        wait_until_(runtime_->Now() + std::max(times.wait, std::chrono::nanoseconds(0))),
        rounds_left_((times.wait - std::chrono::nanoseconds(1)) / kWaitMax) {}

  void Start() {
    auto self = this->shared_from_this();
    const typename RetryLoop<Response>::Policy policy{.rule = RetryRule::kBroken,
                                                      .deadline = wait_until_ + times_.answer,
                                                      .backoff = times_.backoff,
                                                      .stop = times_.stop};
    RetryLoop<Response>::Run(
        runtime_, policy,
        [self](std::chrono::nanoseconds time_left, Done<Response> done) {
          const auto wait = self->WaitLeft();
          self->try_(wait, {std::min(time_left, wait + self->times_.rpc), self->times_.stop},
                     std::move(done));
        },
        [self](Answer<Response> answer) { self->OnAnswer(std::move(answer)); });
  }

  void OnAnswer(Answer<Response> answer) {
    const bool over = !answer.ok() || is_final_(*answer) || rounds_left_ <= 0 ||
                      WaitLeft() == std::chrono::nanoseconds(0);
    if (over) return callback_(std::move(answer));
    --rounds_left_;
    Start();
  }

  // Of the next try. Whole milliseconds: below that a clock's rounding would be another call.
  std::chrono::nanoseconds WaitLeft() const {
    using Milliseconds = std::chrono::milliseconds;
    const auto left = std::chrono::floor<Milliseconds>(wait_until_ - runtime_->Now());
    return std::clamp<std::chrono::nanoseconds>(left, Milliseconds(0), kWaitMax);
  }

  const std::shared_ptr<Runtime> runtime_;
  const Times times_;
  const Try try_;
  const std::function<bool(const Response&)> is_final_;
  const Callback<Answer<Response>> callback_;
  const BootClock::time_point wait_until_;
  // How often an answer that is not final may be followed by another call. Bounded, because a
  // service that does not wait as asked must not be called in a loop.
  std::int64_t rounds_left_;
};

}  // namespace latchkey::inline client::internal
