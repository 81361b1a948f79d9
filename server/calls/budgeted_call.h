// A call whose reply is sent when there is room for it, whatever it is sent by.
//
// Replies in flight are counted, and those over the budget wait without a copy of what they will
// say: waiters share one, and a read is read again when its turn has come. Not counted are the
// replies of the batch that a partition is deciding, replies of up to kSmallReplyBytes, and what
// AcquireLock answers with but results: a grant is not to queue while its lease runs. What an
// operator's ResolveOutcome shows waits as it is, because the call cannot be decided again.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "latchkey/v1/admin.pb.h"
#include "latchkey/v1/coordination.pb.h"
#include "server/calls/call_environment.h"
#include "server/machine/proto_time.h"
#include "server/partition/call.h"
#include "server/partition/refusals.h"
#include <google/protobuf/message.h>

namespace latchkey {

template <class Request, class Response>
class BudgetedCall : public Call {
 public:
  // All that is referred to outlives the call.
  BudgetedCall(const CallEnvironment& environment, ReplyBudget& budget, const Request& request,
               Response* response, MonotonicTime arrived_at)
      : Call(Exchange<Request, Response>{&request, response}, StoreKeyOf(request), arrived_at,
             request.ByteSizeLong()),
        environment_(environment),
        budget_(budget),
        response_(response) {}

  void Finish(std::optional<Refusal> refusal) final {
    // A call that has its bytes is one that waited for them.
    if (!refusal.has_value() && budgeted_bytes_ == 0 && MayQueue()) {
      const std::size_t bytes = response_->ByteSizeLong();
      if (bytes > kSmallReplyBytes) {
        if (!budget_.TryAcquire(bytes)) return FinishWhenItFits(bytes);
        budgeted_bytes_ = bytes;
      }
    }
    Answer(std::move(refusal));
  }

  // So that nothing is copied that nobody is going to read soon.
  bool MakeRoom(std::size_t payload_bytes) final {
    if (!kReads || payload_bytes <= kSmallReplyBytes || budgeted_bytes_ > 0) return true;
    const std::size_t bytes = payload_bytes + kSmallReplyBytes;
    if (!budget_.TryAcquire(bytes)) {
      FinishWhenItFits(bytes);
      return false;
    }
    budgeted_bytes_ = bytes;
    return true;
  }

  void FinishShared(std::shared_ptr<const google::protobuf::Message> shared) final {
    GiveBackBudget();
    const std::size_t bytes = shared->ByteSizeLong();
    budget_.Acquire(bytes, [this, bytes, shared = std::move(shared)] {
      budgeted_bytes_ = bytes;
      if (gone()) return Finish(Cancelled());
      response_->CopyFrom(*shared);
      if constexpr (std::is_same_v<Response, v1::AcquireLockResponse>) {
        SetProto(environment_.clock.Monotonic() - arrived, response_->mutable_server_elapsed());
      }
      Finish(std::nullopt);
    });
  }

 protected:
  // Sends the response, or the refusal; called once.
  virtual void Send(std::optional<Refusal> refusal) = 0;

  // What the reply holds of the budget. Whoever takes it gives it back when the reply is written.
  std::size_t TakeBudgetedBytes() { return std::exchange(budgeted_bytes_, 0); }
  void GiveBackBudget() {
    if (budgeted_bytes_ > 0) budget_.Release(TakeBudgetedBytes());
  }

  const CallEnvironment& environment() const { return environment_; }

  // What is to be taken back if the response is not sent.
  std::optional<UnsentGrant> Granted() const {
    if constexpr (std::is_same_v<Response, v1::AcquireLockResponse>) {
      if (response_->has_grant()) return {{store_key, response_->grant().fencing_token()}};
    }
    return std::nullopt;
  }

 private:
  static constexpr bool kReads = std::is_same_v<Request, v1::AcquireLockRequest> ||
                                 std::is_same_v<Request, v1::CheckResultRequest> ||
                                 std::is_same_v<Request, v1::GetRecordRequest>;

  bool MayQueue() const {
    if constexpr (std::is_same_v<Response, v1::AcquireLockResponse>) {
      return response_->has_completed();
    }
    return true;
  }

  // A reply to AcquireLock that may queue has changed nothing either.
  void FinishWhenItFits(std::size_t bytes) {
    if constexpr (kReads) response_->Clear();
    budget_.Acquire(bytes, [this, bytes] {
      budgeted_bytes_ = bytes;
      if constexpr (kReads) {
        environment_.partitions.Submit(*this);
      } else {
        Answer(std::nullopt);
      }
    });
  }

  void Answer(std::optional<Refusal> refusal) {
    if (environment_.measures()) Measure(refusal);
    Send(std::move(refusal));
  }

  void Measure(const std::optional<Refusal>& refusal) const {
    environment_.Answered(RpcOf(operation), arrived, refusal);
    if constexpr (std::is_same_v<Response, v1::AcquireLockResponse>) {
      environment_.meter.OnAcquireAnswered(storage::SplitStoreKey(store_key).name_space,
                                           OutcomeOf(refusal));
    }
  }

  AcquireOutcome OutcomeOf(const std::optional<Refusal>& refusal) const {
    if (refusal.has_value()) return AcquireOutcome::kRefused;
    if (response_->has_completed()) return AcquireOutcome::kCompleted;
    if (!response_->has_grant()) return AcquireOutcome::kContention;
    if (response_->grant().replayed()) return AcquireOutcome::kReplayed;
    return response_->grant().mode() == v1::Grant::RECOVER ? AcquireOutcome::kRecover
                                                           : AcquireOutcome::kExecute;
  }

  const CallEnvironment& environment_;
  ReplyBudget& budget_;
  Response* const response_;
  std::size_t budgeted_bytes_ = 0;
};

}  // namespace latchkey
