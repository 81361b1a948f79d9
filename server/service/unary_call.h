// A unary gRPC call as a partition's Call: the reactor owns itself, and is gone when gRPC is done
// with it.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "base/clock.h"
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
    ServerUnaryReactor::Finish(refusal.has_value() ? ToGrpcStatus(*refusal) : grpc::Status::OK);
  }

  void FinishShared(std::shared_ptr<const google::protobuf::Message> shared) override {
    budgeted_bytes_ = shared->ByteSizeLong();
    reply_budget_.Acquire(budgeted_bytes_, [this, shared = std::move(shared)] {
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

  void OnDone() override {
    if (budgeted_bytes_ > 0) reply_budget_.Release(budgeted_bytes_);
    delete this;
  }

 private:
  Response* const response_;
  Clock& clock_;
  Partitions& partitions_;
  ReplyBudget& reply_budget_;
  std::size_t budgeted_bytes_ = 0;
};

}  // namespace latchkey
