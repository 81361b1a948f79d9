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
  explicit ReplyInterceptor(ReplyFaults& faults) : faults_(faults) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      return faults_.OnReply(methods);
    }
    methods->Proceed();
  }

 private:
  ReplyFaults& faults_;
};

class ReplyInterceptorFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit ReplyInterceptorFactory(ReplyFaults& faults) : faults_(faults) {}

  // Operators, and TestServer itself, always get their answers.
  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* call) override {
    const std::string_view method = call->method();
    if (!method.starts_with("/latchkey.v1.CoordinationService/")) return nullptr;
    return new ReplyInterceptor(faults_);
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

void ReplyFaults::OnReply(InterceptorBatchMethods* reply) {
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
  // Without details: as a connection that broke.
  if (drop) reply->ModifySendStatus(grpc::Status(grpc::StatusCode::UNAVAILABLE, "reply dropped"));
  reply->Proceed();
}

}  // namespace latchkey::testing_internal
