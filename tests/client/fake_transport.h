// A network and a service that do what a test tells them.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "client/src/once.h"
#include "client/src/runtime.h"
#include "client/src/transport.h"

namespace latchkey::inline client::internal {

// How one try goes.
template <typename Response>
struct Play {
  CallStatus status = {};
  Response response = {};
  // From sending to the answer. Past the try's time-out: DEADLINE_EXCEEDED then.
  std::chrono::nanoseconds delay = std::chrono::milliseconds(1);
};

// No answer: the try ends at its time-out.
constexpr std::chrono::nanoseconds kNoAnswer = std::chrono::hours(24 * 365);
// Not even that: a transport that breaks its promise.
constexpr std::chrono::nanoseconds kFrozen = std::chrono::nanoseconds::max();

// One RPC: what was sent, and how it is answered. Thread-safe.
template <typename Request, typename Response>
class FakeMethod {
 public:
  using Answerer = std::function<Play<Response>(const Request&)>;

  // The answer to the next try that none was given for yet.
  void Then(Play<Response> play) {
    MutexLock lock(mutex_);
    next_.push_back([play = std::move(play)](const Request&) { return play; });
  }
  // The answer to all tries that Then says nothing of.
  void Always(Answerer answerer) {
    MutexLock lock(mutex_);
    always_ = std::move(answerer);
  }
  void Always(Play<Response> play) {
    Always([play = std::move(play)](const Request&) { return play; });
  }

  std::vector<Request> seen() {
    MutexLock lock(mutex_);
    return seen_;
  }
  std::vector<std::chrono::nanoseconds> timeouts() {
    MutexLock lock(mutex_);
    return timeouts_;
  }
  std::size_t count() {
    MutexLock lock(mutex_);
    return seen_.size();
  }

  Play<Response> Take(const Request& request, std::chrono::nanoseconds timeout) {
    Answerer answerer;
    {
      MutexLock lock(mutex_);
      seen_.push_back(request);
      timeouts_.push_back(timeout);
      if (next_.empty()) {
        answerer = always_;
      } else {
        answerer = std::move(next_.front());
        next_.pop_front();
      }
    }
    if (answerer) return answerer(request);
    return {.status = {grpc::StatusCode::UNAVAILABLE, "nobody there", ""}};
  }

 private:
  Mutex mutex_;
  std::deque<Answerer> next_ GUARDED_BY(mutex_);
  Answerer always_ GUARDED_BY(mutex_);
  std::vector<Request> seen_ GUARDED_BY(mutex_);
  std::vector<std::chrono::nanoseconds> timeouts_ GUARDED_BY(mutex_);
};

class FakeTransport final : public Transport {
 public:
  explicit FakeTransport(std::shared_ptr<Runtime> runtime) : runtime_(std::move(runtime)) {}

  FakeMethod<v1::AcquireLockRequest, v1::AcquireLockResponse> acquire;
  FakeMethod<v1::RenewLeaseRequest, v1::RenewLeaseResponse> renew;
  FakeMethod<v1::CheckResultRequest, v1::CheckResultResponse> check;
  FakeMethod<v1::RecordResultRequest, v1::RecordResultResponse> record;
  FakeMethod<v1::ReleaseRequest, v1::ReleaseResponse> release;
  FakeMethod<v1::IssueKeyRequest, v1::IssueKeyResponse> issue;
  // Clients that share this transport may be closed by several threads.
  std::atomic<bool> shut_down = false;

  void AcquireLock(v1::AcquireLockRequest request, TryLimits limits,
                   Done<v1::AcquireLockResponse> done) override {
    Go(acquire, request, limits, std::move(done));
  }
  void RenewLease(v1::RenewLeaseRequest request, TryLimits limits,
                  Done<v1::RenewLeaseResponse> done) override {
    Go(renew, request, limits, std::move(done));
  }
  void CheckResult(v1::CheckResultRequest request, TryLimits limits,
                   Done<v1::CheckResultResponse> done) override {
    Go(check, request, limits, std::move(done));
  }
  void RecordResult(v1::RecordResultRequest request, TryLimits limits,
                    Done<v1::RecordResultResponse> done) override {
    Go(record, request, limits, std::move(done));
  }
  void Release(v1::ReleaseRequest request, TryLimits limits,
               Done<v1::ReleaseResponse> done) override {
    Go(release, request, limits, std::move(done));
  }
  void IssueKey(v1::IssueKeyRequest request, TryLimits limits,
                Done<v1::IssueKeyResponse> done) override {
    Go(issue, request, limits, std::move(done));
  }
  void Shutdown() override {
    shut_down = true;
    std::vector<std::shared_ptr<void>> frozen;
    MutexLock lock(mutex_);
    frozen.swap(frozen_);
  }

 private:
  template <typename Request, typename Response>
  void Go(FakeMethod<Request, Response>& method, const Request& request, const TryLimits& limits,
          Done<Response> done) {
    Play<Response> play = method.Take(request, limits.timeout);
    // Shared, and called once: by the answer, or by whoever asks to stop.
    auto once = std::make_shared<Once<Play<Response>>>(
        [done = std::move(done)](Play<Response> end) { done(end.status, std::move(end.response)); },
        [] { return Play<Response>{.status = {grpc::StatusCode::CANCELLED, "gone", ""}}; });
    if (play.delay == kFrozen) {
      MutexLock lock(mutex_);
      frozen_.push_back(once);
      return;
    }
    if (play.delay > limits.timeout) {
      play = {.status = {grpc::StatusCode::DEADLINE_EXCEEDED, "time is up", ""},
              .delay = limits.timeout};
    }
    auto stop = std::make_shared<std::optional<std::stop_callback<std::function<void()>>>>();
    if (limits.stop.stop_possible()) {
      stop->emplace(limits.stop, [this, once] {
        runtime_->RunAt(runtime_->Now(), [once] {
          (*once)({.status = {grpc::StatusCode::CANCELLED, "stopped", ""}});
        });
      });
    }
    runtime_->RunAt(runtime_->Now() + play.delay, [play, once, stop] {
      stop->reset();
      (*once)(play);
    });
  }

  const std::shared_ptr<Runtime> runtime_;
  Mutex mutex_;
  // Calls that nobody answers.
  std::vector<std::shared_ptr<void>> frozen_ GUARDED_BY(mutex_);
};

}  // namespace latchkey::inline client::internal
