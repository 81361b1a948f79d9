// The stream that a session speaks through, as the session sees it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "latchkey/v1/coordination.pb.h"
#include "transport.h"

namespace latchkey::inline client::internal {

// What a stream tells. Called from any thread, but never from within a call of the stream; OnFrame
// one at a time. Must neither block nor throw.
class SessionEvents {
 public:
  virtual ~SessionEvents() = default;
  virtual void OnFrame(v1::SessionResponse& frame) = 0;
  // The last frame was handed to the network: the next may be written.
  virtual void OnWritten() = 0;
  // The last event, of a stream that broke, too.
  virtual void OnEnded(const CallStatus& status) = 0;
};

// Thread-safe.
class SessionStream {
 public:
  virtual ~SessionStream() = default;
  // Sends a serialised SessionRequest; one at a time.
  virtual void Write(std::string frame) = 0;
  // Ends it soon.
  virtual void Cancel() = 0;
};

// Begins a stream, which keeps `events` until OnEnded.
using OpenSessionStream =
    std::function<std::shared_ptr<SessionStream>(std::shared_ptr<SessionEvents> events)>;

}  // namespace latchkey::inline client::internal
