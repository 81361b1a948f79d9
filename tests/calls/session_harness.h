// Sessions over real partitions with their threads, and without a network: the test says when a
// frame was sent.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/mutex.h"
#include "latchkey/v1/coordination.pb.h"
#include "server/calls/session.h"
#include "tests/support/call_bed.h"

namespace latchkey {

// Remembers what the session asks of it.
class FakeLink final : public SessionLink {
 public:
  void Write(std::string frame) override {
    v1::SessionResponse parsed;
    const bool ok = parsed.ParseFromString(frame);
    MutexLock lock(mutex_);
    bad_ += ok && !ended_ && !writing_ ? 0 : 1;
    writing_ = true;
    frames_.push_back(std::move(parsed));
    changed_.NotifyAll();
  }
  void Read() override { ++reads_; }
  void End(const std::optional<Refusal>& refusal) override {
    MutexLock lock(mutex_);
    bad_ += ended_ || writing_ ? 1 : 0;
    ended_ = true;
    reason_ = refusal.has_value() ? refusal->reason : v1::Refusal::REASON_UNSPECIFIED;
    changed_.NotifyAll();
  }
  void Break() override { ++breaks_; }

  // The next frame that is being sent, as soon as there is one.
  v1::SessionResponse Next() {
    MutexLock lock(mutex_);
    while (frames_.empty()) changed_.Wait(mutex_);
    return TakeFirst();
  }
  std::optional<v1::SessionResponse> NextIfAny() {
    MutexLock lock(mutex_);
    if (frames_.empty()) return std::nullopt;
    return TakeFirst();
  }
  // The frame was sent, or never will be. To be followed by the session's OnWritten.
  void Written() {
    MutexLock lock(mutex_);
    writing_ = false;
  }
  Reason AwaitEnd() {
    MutexLock lock(mutex_);
    while (!ended_) changed_.Wait(mutex_);
    return reason_;
  }

  int reads() const { return reads_; }
  int breaks() const { return breaks_; }
  // Frames that do not parse, came while another was being sent or after the end, and second ends.
  int bad() {
    MutexLock lock(mutex_);
    return bad_;
  }

 private:
  v1::SessionResponse TakeFirst() REQUIRES(mutex_) {
    v1::SessionResponse frame = std::move(frames_.front());
    frames_.pop_front();
    return frame;
  }

  Mutex mutex_;
  Condition changed_;
  std::deque<v1::SessionResponse> frames_ GUARDED_BY(mutex_);
  bool writing_ GUARDED_BY(mutex_) = false;
  bool ended_ GUARDED_BY(mutex_) = false;
  Reason reason_ GUARDED_BY(mutex_) = v1::Refusal::REASON_UNSPECIFIED;
  int bad_ GUARDED_BY(mutex_) = 0;
  std::atomic<int> reads_ = 0;
  std::atomic<int> breaks_ = 0;
};

// A session and its link.
struct LinkedSession {
  explicit LinkedSession(const CallEnvironment& environment)
      : session(std::make_shared<Session>(environment, link)) {}

  // Whether it reads on.
  bool Send(v1::SessionRequest request) const {
    const auto frame = std::make_shared<SessionFrame>(request.ByteSizeLong());
    *frame->request = std::move(request);
    return session->OnFrame(frame);
  }
  void Written() {
    link.Written();
    session->OnWritten();
  }
  // The stream breaks, while a frame is on its way or not.
  void Break() {
    session->OnBroken();
    link.Written();
    session->OnWritten();
  }

  FakeLink link;
  const std::shared_ptr<Session> session;
};

class SessionHarness {
 public:
  explicit SessionHarness(const Limits& limits = {});
  ~SessionHarness() { bed_.partitions().Stop(); }

  const CallEnvironment& environment() const { return bed_.environment(); }
  void AwaitHeld(int wanted);

 private:
  int held() const { return static_cast<int>(bed_.live_counts().Get("default").held); }

  SystemClock clock_;
  CallBed bed_;
};

}  // namespace latchkey
