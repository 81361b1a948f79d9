#include "testing/src/reply_faults.h"

#include <memory>
#include <string_view>
#include <utility>

namespace latchkey::testing_internal {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::InterceptorBatchMethods;

class ReplyInterceptor final : public grpc::experimental::Interceptor {
 public:
  // `session`: the replies are messages of this stream; null: one is the end of a call.
  ReplyInterceptor(ReplyFaults& faults, grpc::ServerContextBase* session)
      : faults_(faults),
        session_(session),
        reply_(session == nullptr ? InterceptionHookPoints::PRE_SEND_STATUS
                                  : InterceptionHookPoints::PRE_SEND_MESSAGE) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(reply_)) return faults_.OnReply(methods, session_);
    methods->Proceed();
  }

 private:
  ReplyFaults& faults_;
  grpc::ServerContextBase* const session_;
  const InterceptionHookPoints reply_;
};

class ReplyInterceptorFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit ReplyInterceptorFactory(ReplyFaults& faults) : faults_(faults) {}

  // Operators, and TestServer itself, always get their answers.
  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* call) override {
    const std::string_view method = call->method();
    if (!method.starts_with("/latchkey.v1.CoordinationService/")) return nullptr;
    return new ReplyInterceptor(faults_,
                                method.ends_with("/Session") ? call->server_context() : nullptr);
  }

 private:
  ReplyFaults& faults_;
};

}  // namespace

void ReplyFaults::Install(grpc::ServerBuilder& builder) {
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> factories;
  factories.push_back(std::make_unique<ReplyInterceptorFactory>(*this));
  builder.experimental().SetInterceptorCreators(std::move(factories));
}

void ReplyFaults::Drop(int count) {
  MutexLock lock(mutex_);
  to_drop_ = count;
}

void ReplyFaults::Hold() {
  MutexLock lock(mutex_);
  holding_ = true;
}

void ReplyFaults::Release() {
  std::vector<InterceptorBatchMethods*> held;
  {
    MutexLock lock(mutex_);
    holding_ = false;
    held.swap(held_);
  }
  for (InterceptorBatchMethods* reply : held) reply->Proceed();
}

void ReplyFaults::OnReply(InterceptorBatchMethods* reply, grpc::ServerContextBase* session) {
  bool drop = false;
  {
    MutexLock lock(mutex_);
    if (holding_) {
      held_.push_back(reply);
      return;
    }
    if (to_drop_ > 0) {
      --to_drop_;
      drop = true;
    }
  }
  // As a connection that broke: without details, and with the stream.
  if (drop && session != nullptr) {
    session->TryCancel();
  } else if (drop) {
    reply->ModifySendStatus(grpc::Status(grpc::StatusCode::UNAVAILABLE, "reply dropped"));
  }
  reply->Proceed();
}

}  // namespace latchkey::testing_internal
