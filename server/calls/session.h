// One client's session: turns frames into calls, gathers their answers into frames, and tells the
// client of leases that it has lost. Knows no network; see service/session_streams.h for that.
//
// Backpressure: while answers wait to be sent no more frames are read, what may be unanswered is
// bounded, and a client that does not read for long is cut off. The end of the stream ends the
// waits that came by it and no lease, but takes back the grants that nobody was told of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/frame_queue.h"
#include "base/mutex.h"
#include "server/calls/call_environment.h"
#include "server/calls/session_frame.h"
#include "server/partition/call.h"
#include "server/partition/lease_listener.h"
#include "server/partition/reply_gathering.h"

namespace latchkey {

// The stream that a session speaks through.
class SessionLink {
 public:
  virtual ~SessionLink() = default;
  // Sends a frame; Session::OnWritten says when the next may be sent.
  virtual void Write(std::string frame) = 0;
  // Reads the next frame, after OnFrame has answered false.
  virtual void Read() = 0;
  // Ends the stream, with OK or with the refusal. Nothing else is asked of the link afterwards.
  virtual void End(const std::optional<Refusal>& refusal) = 0;
  // Breaks the stream, also while a frame is being sent. OnWritten and OnBroken follow.
  virtual void Break() = 0;
};

// Thread-safe; but frames come one at a time.
class Session final : public Gathered,
                      public LeaseListener,
                      public std::enable_shared_from_this<Session> {
 public:
  // `environment` outlives the session; `link` does until it was told to end.
  // `trace`: that of the stream, and so of its calls.
  Session(const CallEnvironment& environment, SessionLink& link, Caller caller = {},
          std::optional<TraceContext> trace = std::nullopt);

  const std::optional<TraceContext>& trace() const { return trace_; }

  // From the link. OnFrame answers whether the next frame may be read; if not, the session asks for
  // it later.
  bool OnFrame(const std::shared_ptr<SessionFrame>& frame);
  void OnRefused(Refusal refusal);
  // The client sends no more frames; it gets all its answers, and then the end.
  void OnHalfClosed();
  // The stream is gone.
  void OnBroken();
  void OnWritten();

  // The rules of access have changed, perhaps: ends the stream if they do not know its caller.
  void CheckCaller();
  // The server is going down: takes no more frames, answers what it has, and ends the stream.
  void Drain();
  // Breaks the stream if its client has not read the frame that is being sent since `longest` ago.
  // The link must not end meanwhile.
  void BreakIfNotRead(MonotonicTime now, Duration longest);

  // What goes with a reply.
  struct Attached {
    std::size_t budgeted_bytes = 0;  // which it holds of reply_budget()
    std::optional<UnsentGrant> granted;
  };
  // From the calls: the reply to a call, which is answered by this; or to a heartbeat, which
  // answers so many leases.
  void Answer(std::uint64_t call_id, const v1::SessionResponse& reply, Attached attached);
  // What this client's replies may take of the server's budget.
  ReplyBudget& reply_budget() { return reply_budget_; }
  void AnswerHeartbeat(const v1::SessionResponse& reply, std::size_t leases);

  // Gathered and LeaseListener.
  void Flush() override;
  void OnLeaseLost(const LostLease& lost) override;

 private:
  enum class Phase {
    kOpen,
    kFinishing,  // no more frames; ends when everything is answered and sent
    kClosed,     // nothing is sent any more
    kEnded,      // the link is not used any more
  };
  // What goes with a frame of replies.
  struct AllAttached {
    std::size_t budgeted_bytes = 0;
    std::vector<UnsentGrant> granted;

    void Add(Attached attached);
  };
  // A call of the frame at hand. Owned here until it is submitted.
  struct Started {
    std::uint64_t call_id = 0;
    std::unique_ptr<Call> call;
    std::optional<Refusal> refusal;
  };

  void Start(const std::shared_ptr<SessionFrame>& frame, const v1::SessionRequest::Call& call,
             MonotonicTime arrived);
  void StartHeartbeat(const std::shared_ptr<SessionFrame>& frame, MonotonicTime arrived);
  // Hands on what was started. False if the frame uses a call_id twice.
  bool Submit();
  bool Register(std::vector<Started>& started);
  void Cancel(std::uint64_t call_id);
  void Refuse(std::uint64_t call_id, const Refusal& refusal);
  // Sends what answers no call that is under way.
  void Tell(const v1::SessionResponse& message);

  bool Closed() const REQUIRES(mutex_) {
    return phase_ == Phase::kClosed || phase_ == Phase::kEnded;
  }
  // Gives back what belongs to replies that will not be sent.
  void Drop(AllAttached attached);
  // Ends the stream now, and with it its waits.
  void Close(std::optional<Refusal> refusal);
  bool MayEnd() REQUIRES(mutex_);
  bool MayRead() const REQUIRES(mutex_);
  std::optional<std::string> NextFrame() REQUIRES(mutex_);
  // Appends, unless nothing is sent any more; true if a Flush is needed.
  bool Append(const v1::SessionResponse& reply, Attached attached) REQUIRES(mutex_);
  void Send(std::optional<std::string> frame, bool end);

  const CallEnvironment& environment_;
  SessionLink& link_;
  // As it was at the beginning, and as it is known for the frame at hand.
  const Caller caller_;
  Caller caller_now_;
  const std::optional<TraceContext> trace_;
  ReplyBudget reply_budget_;
  // Of the frame at hand.
  std::vector<Started> started_;

  Mutex mutex_;
  Phase phase_ GUARDED_BY(mutex_) = Phase::kOpen;
  // Why the stream ends; empty: as asked.
  std::optional<Refusal> end_refusal_ GUARDED_BY(mutex_);
  // Not answered yet.
  absl::flat_hash_map<std::uint64_t, Call*> calls_ GUARDED_BY(mutex_);
  std::size_t leases_asked_ GUARDED_BY(mutex_) = 0;  // of heartbeats not answered yet
  // What is to be sent.
  FrameQueue<AllAttached> output_ GUARDED_BY(mutex_);
  bool flush_scheduled_ GUARDED_BY(mutex_) = false;
  bool writing_ GUARDED_BY(mutex_) = false;
  MonotonicTime writing_since_ GUARDED_BY(mutex_){};
  std::size_t writing_budgeted_bytes_ GUARDED_BY(mutex_) = 0;
  // The next frame is not read before output was sent.
  bool held_back_ GUARDED_BY(mutex_) = false;
};

}  // namespace latchkey
