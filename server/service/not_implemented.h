// The calls that the API defines and this server does not offer yet.
#pragma once

#include <string>

#include "server/machine/refusal.h"
#include "server/service/grpc_status.h"
#include <grpcpp/support/server_callback.h>

namespace latchkey {

inline grpc::Status NotImplemented(const std::string& rpc) {
  return ToGrpcStatus({v1::Refusal::NOT_IMPLEMENTED,
                       "this server does not offer " + rpc + " yet",
                       {{"rpc", rpc}},
                       {}});
}

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
