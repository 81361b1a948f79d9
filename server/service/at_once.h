// Calls that are answered without having begun.
#pragma once

#include "server/service/grpc_status.h"
#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

namespace latchkey {

// A stream that ends as soon as it begins.
template <class Reactor>
class EndedStream final : public Reactor {
 public:
  explicit EndedStream(const grpc::Status& status) { this->Finish(status); }
  void OnDone() override { delete this; }
};

inline grpc::ServerUnaryReactor* FinishAtOnce(grpc::CallbackServerContext* context,
                                              const grpc::Status& status) {
  auto* reactor = context->DefaultReactor();
  reactor->Finish(status);
  return reactor;
}

}  // namespace latchkey
