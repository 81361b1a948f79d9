// What can go wrong with the replies of a server under test.
#pragma once

#include <vector>

#include "base/mutex.h"
#include <grpcpp/server_builder.h>
#include <grpcpp/support/server_interceptor.h>

namespace latchkey::testing_internal {

// Stands before every reply of the CoordinationService. Outlives the server. Thread-safe.
class ReplyFaults {
 public:
  void Install(grpc::ServerBuilder& builder);

  // See InProcessServer.
  void Drop(int count);
  void Hold();
  void Release();

  // A reply is about to leave: that of a call or, with `session`, frames of that stream.
  void OnReply(grpc::experimental::InterceptorBatchMethods* reply,
               grpc::ServerContextBase* session);

 private:
  Mutex mutex_;
  int to_drop_ GUARDED_BY(mutex_) = 0;
  bool holding_ GUARDED_BY(mutex_) = false;
  std::vector<grpc::experimental::InterceptorBatchMethods*> held_ GUARDED_BY(mutex_);
};

}  // namespace latchkey::testing_internal
