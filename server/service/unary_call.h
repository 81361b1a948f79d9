// A unary gRPC call as a partition's Call: the reactor owns itself, and is gone when gRPC is done
// with it.
//
// Large replies in flight are counted, and those over the budget wait without a copy of what they
// will say: waiters share one, and a read is read again when its turn has come. Not counted are the
// replies of the batch that a partition is deciding, and replies of up to kSmallReplyBytes. What an
// operator's ResolveOutcome shows waits as it is, because the call cannot be decided again.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "base/clock.h"
#include "latchkey/v1/admin.pb.h"
#include "latchkey/v1/coordination.pb.h"
#include "server/machine/proto_time.h"
#include "server/partition/call.h"
#include "server/partition/partitions.h"
#include "server/service/grpc_status.h"
#include "server/service/reply_budget.h"
#include <google/protobuf/message.h>
#include <grpcpp/support/server_callback.h>

namespace latchkey {

template <class Request, class Response>
class UnaryCall final : public grpc::ServerUnaryReactor, public Call {
 public:
  // The references outlive the call, as gRPC makes the messages do.
  UnaryCall(const Request& request, Response* response, std::string key, Clock& clock,
            Partitions& partitions, ReplyBudget& reply_budget)
      : Call(Exchange<Request, Response>{&request, response}, std::move(key), clock.Monotonic(),
             request.ByteSizeLong()),
        response_(response),
        clock_(clock),
        partitions_(partitions),
        reply_budget_(reply_budget) {}

  void Finish(std::optional<Refusal> refusal) override {
    if (refusal.has_value()) return ServerUnaryReactor::Finish(ToGrpcStatus(*refusal));
    // A call that has its bytes is one that waited for them.
    const std::size_t bytes = response_->ByteSizeLong();
    if (bytes > kSmallReplyBytes && budgeted_bytes_ == 0) {
      if (!reply_budget_.TryAcquire(bytes)) return FinishWhenItFits(bytes);
      budgeted_bytes_ = bytes;
    }
    ServerUnaryReactor::Finish(grpc::Status::OK);
  }

  void FinishShared(std::shared_ptr<const google::protobuf::Message> shared) override {
    GiveBackBudget();
    const std::size_t bytes = shared->ByteSizeLong();
    reply_budget_.Acquire(bytes, [this, bytes, shared = std::move(shared)] {
      budgeted_bytes_ = bytes;
      response_->CopyFrom(*shared);
      if constexpr (std::is_same_v<Response, v1::AcquireLockResponse>) {
        SetProto(clock_.Monotonic() - arrived, response_->mutable_server_elapsed());
      }
      Finish(std::nullopt);
    });
  }

  void OnCancel() override {
    SetGone();
    partitions_.Cancel(store_key, this, serial);
  }

  // What gRPC calls here is quick and never blocks, so it need not be handed to another thread,
  // which costs as much as the rest of the call does.
  bool InternalInlineable() override { return true; }

  void OnDone() override {
    GiveBackBudget();
    delete this;
  }

 private:
  static constexpr bool kReads = std::is_same_v<Request, v1::AcquireLockRequest> ||
                                 std::is_same_v<Request, v1::CheckResultRequest> ||
                                 std::is_same_v<Request, v1::GetRecordRequest>;

  // A large reply to AcquireLock is `completed`, so it has changed nothing either.
  void FinishWhenItFits(std::size_t bytes) {
    if constexpr (kReads) response_->Clear();
    reply_budget_.Acquire(bytes, [this, bytes] {
      budgeted_bytes_ = bytes;
      if constexpr (kReads) {
        partitions_.Submit(*this);
      } else {
        ServerUnaryReactor::Finish(grpc::Status::OK);
      }
    });
  }

  void GiveBackBudget() {
    if (budgeted_bytes_ > 0) reply_budget_.Release(std::exchange(budgeted_bytes_, 0));
  }

  Response* const response_;
  Clock& clock_;
  Partitions& partitions_;
  ReplyBudget& reply_budget_;
  std::size_t budgeted_bytes_ = 0;
};

}  // namespace latchkey
