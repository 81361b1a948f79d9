// The streams of CoordinationService.Session: each is a Session behind gRPC.
#pragma once

#include <cstddef>
#include <memory>
#include <unordered_set>
#include <vector>

#include "base/mutex.h"
#include "server/calls/call_environment.h"
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

namespace latchkey {

class Session;

// Thread-safe. Outlives its streams.
class SessionStreams {
 public:
  explicit SessionStreams(const CallEnvironment& environment) : environment_(environment) {}

  // A new stream, for gRPC to drive. It takes bytes, so that what does not parse can be refused.
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Open(
      grpc::CallbackServerContext& context);

  // The server is going down: every stream ends as soon as its calls are answered.
  void Drain();
  // Ends the streams of those whom the rules of access do not know any more.
  void CheckCallers();
  // Breaks the streams whose clients do not read.
  void BreakUnread(MonotonicTime now);
  // How many are open.
  std::size_t count() const;

 private:
  class Stream;
  void Forget(Stream* stream);
  std::vector<std::shared_ptr<Session>> OpenSessions();

  const CallEnvironment& environment_;
  mutable Mutex mutex_;
  bool draining_ GUARDED_BY(mutex_) = false;
  std::unordered_set<Stream*> streams_ GUARDED_BY(mutex_);
};

}  // namespace latchkey
