// Calls of a test, which own their messages and remember how they were finished, and the requests
// that tests make.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "latchkey/v1/admin.pb.h"
#include "latchkey/v1/coordination.pb.h"
#include "server/machine/proto_time.h"
#include "server/partition/call.h"
#include "storage/store_key.h"

namespace latchkey {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""min;
using std::chrono_literals::operator""h;

template <class Request>
struct Answered;
template <>
struct Answered<v1::AcquireLockRequest> {
  using With = v1::AcquireLockResponse;
};
template <>
struct Answered<v1::RenewLeaseRequest> {
  using With = v1::RenewLeaseResponse;
};
template <>
struct Answered<v1::CheckResultRequest> {
  using With = v1::CheckResultResponse;
};
template <>
struct Answered<v1::RecordResultRequest> {
  using With = v1::RecordResultResponse;
};
template <>
struct Answered<v1::ReleaseRequest> {
  using With = v1::ReleaseResponse;
};
template <>
struct Answered<v1::GetRecordRequest> {
  using With = v1::GetRecordResponse;
};
template <>
struct Answered<v1::ResolveOutcomeRequest> {
  using With = v1::ResolveOutcomeResponse;
};
template <>
struct Answered<v1::ForceReleaseRequest> {
  using With = v1::ForceReleaseResponse;
};
template <>
struct Answered<v1::DeleteRecordRequest> {
  using With = v1::DeleteRecordResponse;
};

class RememberingCall : public Call {
 public:
  using Call::Call;

  void Finish(std::optional<Refusal> refusal) override;
  void FinishShared(std::shared_ptr<const google::protobuf::Message> response) override;

  // Finished exactly once.
  bool finished() const { return times_finished_.load() == 1; }
  int times_finished() const { return times_finished_.load(); }
  bool ok() const { return finished() && !refusal_.has_value(); }
  bool refused() const { return finished() && refusal_.has_value(); }
  // Why it was refused; UNSPECIFIED for a call that was not, or whose caller was gone.
  Reason reason() const { return refused() ? refusal_->reason : v1::Refusal::REASON_UNSPECIFIED; }
  const google::protobuf::Message* shared() const { return shared_.get(); }

  // Called at the end of Finish.
  std::function<void()> on_finish;

 protected:
  virtual void Take(const google::protobuf::Message& response) = 0;

 private:
  std::optional<Refusal> refusal_;
  std::shared_ptr<const google::protobuf::Message> shared_;
  std::atomic<int> times_finished_ = 0;
};

template <class Request>
struct Messages {
  Request request;
  typename Answered<Request>::With response;
};

template <class Request>
class TestCall final : private Messages<Request>, public RememberingCall {
 public:
  using Response = typename Answered<Request>::With;

  TestCall(Request request, MonotonicTime arrives)
      : Messages<Request>{std::move(request), {}},
        RememberingCall(Exchange<Request, Response>{&this->Messages<Request>::request,
                                                    &this->Messages<Request>::response},
                        StoreKeyOf(this->Messages<Request>::request), arrives,
                        this->Messages<Request>::request.ByteSizeLong()) {}

  const Request& request() const { return this->Messages<Request>::request; }
  const Response& response() const { return this->Messages<Request>::response; }

  // AcquireLock only.
  bool granted() const { return ok() && response().has_grant(); }
  // Granted to a caller that was gone before the reply: refused, and the grant is taken back.
  bool undone() const {
    return refused() && reason() == v1::Refusal::REASON_UNSPECIFIED && response().has_grant();
  }
  const v1::Grant& grant() const { return response().grant(); }
  std::uint64_t token() const { return granted() ? grant().fencing_token() : 0; }
  bool contended() const { return ok() && response().has_contention(); }
  const v1::Contention& contention() const { return response().contention(); }
  bool completed() const { return ok() && response().has_completed(); }
  // AcquireLock and RenewLease: how long after its arrival the caller's lease ends, by the reply.
  Duration LeaseSinceArrival() const;

 private:
  static std::string StoreKeyOf(const Request& request) {
    const bool unnamed = request.namespace_().empty();
    return storage::MakeStoreKey(unnamed ? "default" : request.namespace_(), request.key());
  }
  void Take(const google::protobuf::Message& response) override {
    this->Messages<Request>::response.CopyFrom(response);
  }
};

using AcquireCall = TestCall<v1::AcquireLockRequest>;
using CheckCall = TestCall<v1::CheckResultRequest>;
using RenewCall = TestCall<v1::RenewLeaseRequest>;
using ReleaseCall = TestCall<v1::ReleaseRequest>;
using RecordCall = TestCall<v1::RecordResultRequest>;

// A call, and the same as what it is; the others are null.
struct CallByKind {
  CallByKind() = default;
  template <class Request>
  explicit CallByKind(TestCall<Request>& made) : call(&made) {
    Set(made, acquire);
    Set(made, check);
    Set(made, renew);
    Set(made, record);
    Set(made, release);
  }

  RememberingCall* call = nullptr;
  AcquireCall* acquire = nullptr;
  CheckCall* check = nullptr;
  RenewCall* renew = nullptr;
  RecordCall* record = nullptr;
  ReleaseCall* release = nullptr;

 private:
  template <class Made, class Kind>
  static void Set(Made& made, Kind*& kind) {
    if constexpr (std::is_same_v<Made, Kind>) kind = &made;
  }
};

template <class Request>
Duration TestCall<Request>::LeaseSinceArrival() const {
  const auto& reply = response();
  const Duration elapsed = FromProto(reply.server_elapsed()).value_or(Duration::zero());
  if constexpr (std::is_same_v<Request, v1::AcquireLockRequest>) {
    return elapsed + FromProto(reply.grant().lease_remaining()).value_or(Duration::zero());
  } else {
    return elapsed + FromProto(reply.lease_remaining()).value_or(Duration::zero());
  }
}

inline constexpr Duration kLease = std::chrono::seconds(10);

// Takes the key for kLease if it is free; holder_id is the attempt_id.
v1::AcquireLockRequest Acquire(const std::string& key, const std::string& attempt_id,
                               Duration lease = kLease);
// The same, and waits.
v1::AcquireLockRequest Await(const std::string& key, const std::string& attempt_id,
                             Duration wait = std::chrono::seconds(30));
// Takes the key as a plain mutex: a lapse is forgotten.
v1::AcquireLockRequest Mutexed(v1::AcquireLockRequest request);
v1::AcquireLockRequest AcceptingRecover(v1::AcquireLockRequest request);
v1::AcquireLockRequest Fingerprinted(v1::AcquireLockRequest request, const std::string& digest);
v1::CheckResultRequest Check(const std::string& key, Duration wait = Duration::zero());
v1::RenewLeaseRequest Renew(const std::string& key, std::uint64_t token);
v1::RenewLeaseRequest RenewFor(const std::string& key, std::uint64_t token, Duration lease);
v1::RecordResultRequest Succeed(const std::string& key, std::uint64_t token,
                                const std::string& reference = "ch_1");
v1::ReleaseRequest Release(const std::string& key, std::uint64_t token,
                           v1::ReleaseRequest::Effect effect = v1::ReleaseRequest::NOT_EXECUTED);
v1::ReleaseRequest GiveUp(const std::string& key, const std::string& attempt_id);
v1::GetRecordRequest Get(const std::string& key);
v1::ForceReleaseRequest Force(const std::string& key, std::uint64_t token);
v1::DeleteRecordRequest Delete(const std::string& key, std::uint64_t token);
v1::ResolveOutcomeRequest Resolve(const std::string& key, std::uint64_t token,
                                  v1::ResolveOutcomeRequest::Outcome outcome);

}  // namespace latchkey
