#include "rpc_connection.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>

#include "attempt_id.h"
#include "base/mutex.h"
#include "convert.h"
#include "waiting_call.h"

namespace latchkey::inline client::internal {
namespace {

using std::chrono::nanoseconds;

// How long closing waits for what is on its way; the transport's shutdown takes as long again.
constexpr std::chrono::seconds kFarewellBound(1);

template <typename Request, typename Response>
using Method = void (Transport::*)(Request, TryLimits, Done<Response>);

// How long, and how, to repeat an RPC.
struct Repetition {
  RetryRule rule;
  BootClock::time_point deadline;
  std::stop_token stop = {};
};

// Repeats one RPC; `callback` also gets the time before the last try was sent.
template <typename Request, typename Response>
void Repeat(const Link& link, Method<Request, Response> method, Request request,
            const Repetition& how,
            std::function<void(const Answer<Response>&, BootClock::time_point)> callback) {
  auto sent_at = std::make_shared<BootClock::time_point>();
  RetryLoop<Response>::Run(
      link.runtime, {how.rule, how.deadline, link.backoff, how.stop},
      [link, method, request = std::move(request), sent_at, stop = how.stop](nanoseconds time_left,
                                                                             Done<Response> done) {
        *sent_at = link.runtime->Now();
        ((*link.transport).*method)(request, {std::min(time_left, link.rpc_timeout), stop},
                                    std::move(done));
      },
      [sent_at, callback = std::move(callback)](const Answer<Response>& answer) {
        callback(answer, *sent_at);
      });
}

bool IsFinal(const v1::AcquireLockResponse& response) {
  return response.outcome_case() != v1::AcquireLockResponse::kContention;
}

bool IsFinal(const v1::CheckResultResponse& response) {
  return response.state() == v1::CheckResultResponse::COMPLETED;
}

v1::ReleaseRequest EndingOf(const v1::AcquireLockRequest& attempt) {
  v1::ReleaseRequest request;
  request.set_namespace_(attempt.namespace_());
  request.set_key(attempt.key());
  request.set_attempt_id(attempt.attempt_id());
  return request;
}

// An attempt that ended without an answer may wait, or even hold, without anybody knowing of it.
void EndAttempt(const Link& link, const v1::ReleaseRequest& ending, Farewell::Pass pass) {
  Repeat<v1::ReleaseRequest, v1::ReleaseResponse>(
      link, &Transport::Release, ending,
      {RetryRule::kBroken, link.runtime->Now() + link.rpc_timeout},
      [pass = std::move(pass)](const auto&, BootClock::time_point) {});
}

// ATTEMPT_ENDED refuses this attempt and not the work: it was granted and lapsed before its caller
// heard of it. A new attempt may get the key.
Error OfAttempt(Error error) {
  if (error.reason == "ATTEMPT_ENDED") error.kind = Error::Kind::kUnavailable;
  return error;
}

}  // namespace

// Who is to hear of the loss of which lease. Shared with the transport, which may outlive us.
class RpcConnection::Watches {
 public:
  void Add(std::uint64_t fencing_token, Callback<std::string> lost) {
    MutexLock lock(mutex_);
    watches_.emplace(fencing_token, std::move(lost));
  }
  void Remove(std::uint64_t fencing_token) { (void)Take(fencing_token); }
  void Tell(std::uint64_t fencing_token, const std::string& reason) {
    if (const auto lost = Take(fencing_token)) lost(reason);
  }

 private:
  // Called, and destroyed, without the lock.
  Callback<std::string> Take(std::uint64_t fencing_token) {
    MutexLock lock(mutex_);
    auto watch = watches_.extract(fencing_token);
    return watch.empty() ? nullptr : std::move(watch.mapped());
  }

  Mutex mutex_;
  std::unordered_map<std::uint64_t, Callback<std::string>> watches_ GUARDED_BY(mutex_);
};

RpcConnection::RpcConnection(Link link)
    : link_(std::move(link)), watches_(std::make_shared<Watches>()) {
  link_.transport->SetLostListener(
      [watches = watches_](std::uint64_t fencing_token, const std::string& reason) {
        watches->Tell(fencing_token, reason);
      });
}

void RpcConnection::WatchLease(std::uint64_t fencing_token, Callback<std::string> lost) {
  watches_->Add(fencing_token, std::move(lost));
}

void RpcConnection::UnwatchLease(std::uint64_t fencing_token) { watches_->Remove(fencing_token); }

void RpcConnection::Close() {
  link_.runtime->Stop();
  farewell_->Say(*link_.runtime, kFarewellBound,
                 [this](const v1::ReleaseRequest& ending, Farewell::Pass pass) {
                   link_.transport->Release(
                       ending, {kFarewellBound},
                       [pass = std::move(pass)](const CallStatus&, const v1::ReleaseResponse&) {});
                 });
  link_.transport->Shutdown();
}

void RpcConnection::AcquireLock(AcquireCall call, Callback<AcquireReply> callback) {
  using Response = v1::AcquireLockResponse;
  struct Attempt {
    v1::AcquireLockRequest request;
    std::shared_ptr<const v1::ReleaseRequest> ending;
    std::optional<BootClock::time_point> sent_at;  // Of the last try.
  };
  auto attempt = std::make_shared<Attempt>();
  attempt->request = ToRequest(call);
  attempt->request.set_attempt_id(MakeAttemptId(*link_.runtime));
  attempt->ending = std::make_shared<v1::ReleaseRequest>(EndingOf(attempt->request));
  WaitingCall<Response>::Run(
      link_.runtime,
      {call.options.wait_timeout, call.options.acquire_timeout, link_.rpc_timeout, link_.backoff,
       call.options.stop},
      [link = link_, farewell = farewell_, attempt](nanoseconds wait, TryLimits limits,
                                                    Done<Response> done) {
        if (!attempt->sent_at) farewell->Add(attempt->ending);
        *attempt->request.mutable_wait_timeout() = ToProto(wait);
        attempt->sent_at = link.runtime->Now();
        link.transport->AcquireLock(attempt->request, std::move(limits), std::move(done));
      },
      [](const Response& response) { return IsFinal(response); },
      [link = link_, farewell = farewell_, attempt,
       callback = std::move(callback)](const Answer<Response>& answer) {
        const Farewell::Pass pass = farewell->Remove(*attempt->ending);
        AcquireReply reply = answer.ok()
                                 ? ToReply(*answer, {*attempt->sent_at, link.runtime->Now()})
                                 : OfAttempt(answer.error());
        const Error* error = std::get_if<Error>(&reply);
        if (attempt->sent_at && error != nullptr && error->kind == Error::Kind::kUnavailable) {
          EndAttempt(link, *attempt->ending, pass);
        }
        callback(std::move(reply));
      });
}

void RpcConnection::RenewLease(RenewCall call, Callback<Answer<Validity>> callback) {
  Repeat<v1::RenewLeaseRequest, v1::RenewLeaseResponse>(
      link_, &Transport::RenewLease, ToRequest(call), {call.rule, call.deadline},
      [runtime = link_.runtime, callback = std::move(callback)](const auto& answer,
                                                                BootClock::time_point sent_at) {
        if (!answer.ok()) return callback(answer.error());
        callback(ToValidity({sent_at, runtime->Now()}, answer->server_elapsed(),
                            answer->lease_remaining()));
      });
}

void RpcConnection::RecordResult(RecordCall call, Callback<Answer<StoredResult>> callback) {
  Repeat<v1::RecordResultRequest, v1::RecordResultResponse>(
      link_, &Transport::RecordResult, ToRequest(call), {RetryRule::kEverything, call.deadline},
      [callback = std::move(callback), outcome = call.outcome, pass = farewell_->Begin()](
          const auto& answer, BootClock::time_point) {
        callback(answer.ok() ? ToRecorded(*answer, outcome) : answer.error());
      });
}

void RpcConnection::Release(ReleaseCall call, Callback<Answer<KeyStatus::State>> callback) {
  Repeat<v1::ReleaseRequest, v1::ReleaseResponse>(
      link_, &Transport::Release, ToRequest(call), {RetryRule::kEverything, call.deadline},
      [callback = std::move(callback), pass = farewell_->Begin()](const auto& answer,
                                                                  BootClock::time_point) {
        callback(answer.ok() ? ToState(answer->state()) : answer.error());
      });
}

void RpcConnection::CheckResult(CheckCall call, Callback<Answer<KeyStatus>> callback) {
  using Response = v1::CheckResultResponse;
  WaitingCall<Response>::Run(
      link_.runtime,
      {call.options.wait_timeout, call.options.timeout, link_.rpc_timeout, link_.backoff,
       call.options.stop},
      [link = link_, request = ToRequest(call)](nanoseconds wait, TryLimits limits,
                                                Done<Response> done) {
        v1::CheckResultRequest waiting = request;
        *waiting.mutable_wait_timeout() = ToProto(wait);
        link.transport->CheckResult(std::move(waiting), std::move(limits), std::move(done));
      },
      [](const Response& response) { return IsFinal(response); },
      [callback = std::move(callback)](const Answer<Response>& answer) {
        callback(answer.ok() ? ToStatus(*answer) : answer.error());
      });
}

void RpcConnection::IssueKey(IssueCall call, Callback<Answer<std::string>> callback) {
  Repeat<v1::IssueKeyRequest, v1::IssueKeyResponse>(
      link_, &Transport::IssueKey, ToRequest(call),
      {RetryRule::kBroken, link_.runtime->Now() + call.options.timeout, call.options.stop},
      [callback = std::move(callback)](const auto& answer, BootClock::time_point) {
        callback(answer.ok() ? ToKey(*answer) : answer.error());
      });
}

}  // namespace latchkey::inline client::internal
