// A unary gRPC call as a partition's Call: the reactor owns itself, and is gone when gRPC is done
// with it.
#pragma once

#include <optional>
#include <utility>

#include "server/calls/budgeted_call.h"
#include "server/calls/call_environment.h"
#include "server/service/caller_of.h"
#include "server/service/caller_trace.h"
#include "server/service/grpc_status.h"
#include <grpcpp/support/server_callback.h>

namespace latchkey {

template <class Request, class Response>
class UnaryCall final : public grpc::ServerUnaryReactor, public BudgetedCall<Request, Response> {
 public:
  // The references outlive the call, as gRPC makes the messages do.
  UnaryCall(const CallEnvironment& environment, const grpc::CallbackServerContext& context,
            const Request& request, Response* response)
      : BudgetedCall<Request, Response>(environment, environment.reply_budget, request, response,
                                        environment.clock.Monotonic()),
        context_(context) {}

  std::optional<TraceContext> trace() const override { return CallerTrace(context_); }

  void OnCancel() override {
    this->SetGone();
    this->environment().partitions.Cancel(this->store_key, this, this->serial);
  }

  // What gRPC calls here is quick and never blocks, so it need not be handed to another thread,
  // which costs as much as the rest of the call does.
  bool InternalInlineable() override { return true; }

  void OnDone() override {
    this->GiveBackBudget();
    delete this;
  }

 private:
  void Send(std::optional<Refusal> refusal) override {
    ServerUnaryReactor::Finish(refusal.has_value() ? ToGrpcStatus(*refusal) : grpc::Status::OK);
  }

  const grpc::CallbackServerContext& context_;
};

// Refuses a malformed request, and one that its caller may not make, and hands any other to the
// partition of its key.
template <class Request, class Response>
grpc::ServerUnaryReactor* StartUnary(const CallEnvironment& environment,
                                     const grpc::CallbackServerContext& context,
                                     const Request& request, Response* response) {
  auto* call = new UnaryCall<Request, Response>(environment, context, request, response);
  Caller caller = CallerOf(environment.access, context);
  if (auto refusal = environment.Check(request, caller)) {
    static_cast<Call*>(call)->Finish(std::move(refusal));
  } else {
    environment.partitions.Submit(*call);
  }
  return call;
}

}  // namespace latchkey
