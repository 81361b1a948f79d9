// The client's end of a session: gathers pending calls into frames, and hands out the answers.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/frame_queue.h"
#include "base/mutex.h"
#include "runtime.h"
#include "session_call.h"
#include "session_stream.h"

namespace latchkey::inline client::internal {

// The bounds of a frame, and of what a stream may leave unanswered: the service's own, with room
// for the heartbeat's id.
inline constexpr std::size_t kFrameBytes = 1024 * 1024 - 64;
inline constexpr std::size_t kFrameCalls = 4096;
inline constexpr std::size_t kSessionCalls = 65'536;

// Owned by the transport and by the stream that is open. Owns no channel. Thread-safe.
class Session final : public SessionEvents, public std::enable_shared_from_this<Session> {
 public:
  explicit Session(std::shared_ptr<Runtime> runtime) : runtime_(std::move(runtime)) {}

  // What is sent for a call.
  struct Message {
    std::uint64_t call_id = 0;
    // A serialised SessionRequest with this call or, for a renewal, with a heartbeat of this lease
    // alone.
    std::string bytes = {};
    bool renewal = false;
    // It begins something new, so it waits where very much is unanswered.
    bool holds_back = false;
  };

  std::uint64_t NextCallId();
  // Takes the call until it is ended. `open` is used if there is no stream.
  void Start(Message message, std::unique_ptr<SessionCall> call, const TryLimits& limits,
             const OpenSessionStream& open);
  // The service has said that it knows no sessions.
  bool unsupported();
  void SetLostListener(const LostListener& listener);

  // Ends everything CANCELLED, and the stream. False if that has not ended after `bound`.
  bool Shutdown(std::chrono::nanoseconds bound);

  void OnFrame(v1::SessionResponse& frame) override;
  void OnWritten() override;
  void OnEnded(const CallStatus& status) override;

 private:
  using Calls = std::unordered_map<std::uint64_t, std::unique_ptr<SessionCall>>;
  // What is to be told to a call, without the lock.
  struct Ending {
    std::unique_ptr<SessionCall> call;
    v1::SessionResponse::Reply* reply = nullptr;
    CallStatus failure = {};
  };

  // Takes the call and sends it; leaves it where it is once closed.
  void Take(Message message, std::unique_ptr<SessionCall>& call, std::chrono::nanoseconds timeout,
            const OpenSessionStream& open);
  // Ends a call early, and tells the service.
  void End(std::uint64_t call_id, const CallStatus& status);
  void OnTimer(std::int64_t armed_for);
  void Arm() REQUIRES(mutex_);
  std::unique_ptr<SessionCall> Remove(std::uint64_t call_id) REQUIRES(mutex_);
  void Send(const Message& message) REQUIRES(mutex_);
  void SendCancel(std::uint64_t call_id) REQUIRES(mutex_);
  void SendHeldBack() REQUIRES(mutex_);
  bool MustHoldBack() const REQUIRES(mutex_);
  // Writes the next frame, if one may be written. Without the lock.
  void Flush();
  void TakeReplies(v1::SessionResponse& frame, std::vector<Ending>& endings) REQUIRES(mutex_);
  void TakeHeartbeat(const v1::SessionResponse::HeartbeatReply& heartbeat,
                     std::deque<v1::SessionResponse::Reply>& replies, std::vector<Ending>& endings)
      REQUIRES(mutex_);

  const std::shared_ptr<Runtime> runtime_;
  Mutex mutex_;
  Condition ended_;
  LostListener lost_listener_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;
  bool unsupported_ GUARDED_BY(mutex_) = false;
  std::shared_ptr<SessionStream> stream_ GUARDED_BY(mutex_);
  std::uint64_t last_call_id_ GUARDED_BY(mutex_) = 0;
  // Not answered yet.
  Calls calls_ GUARDED_BY(mutex_);
  // By the tick of the deadline. Ticks are coarse, so that few timers are needed for many calls.
  std::map<std::int64_t, std::list<std::uint64_t>> deadlines_ GUARDED_BY(mutex_);
  std::optional<std::int64_t> armed_for_ GUARDED_BY(mutex_);
  // To be sent; each frame with the calls that its heartbeat renews for.
  FrameQueue<std::vector<std::uint64_t>> output_ GUARDED_BY(mutex_) = {kFrameBytes, kFrameCalls};
  // Of calls_, and of some that have ended since.
  std::deque<Message> held_back_ GUARDED_BY(mutex_);
  std::size_t held_back_calls_ GUARDED_BY(mutex_) = 0;
  bool writing_ GUARDED_BY(mutex_) = false;
  // A frame's answers are being handed out by this thread, which brings new calls: they go
  // together.
  std::thread::id dispatching_ GUARDED_BY(mutex_);
  std::uint64_t last_heartbeat_id_ GUARDED_BY(mutex_) = 0;
  std::unordered_map<std::uint64_t, std::vector<std::uint64_t>> heartbeats_ GUARDED_BY(mutex_);
};

}  // namespace latchkey::inline client::internal
