// Bytes as the frames of sessions, into the class that serves them, over a partition and a memory
// store. Two sessions, so that one takes what the other holds. Whatever comes, nothing crashes;
// each call of an open session is answered exactly once, by a frame that a client can read; and
// every stream ends when it is to (S2).
//
// A step of the input is something that the stream does: a frame arrives, one was sent, the client
// ends, the connection breaks; or time passes.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "server/calls/rpc_status.h"
#include "server/calls/session.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/session_steps.h"
#include "tests/fuzz/silence_protobuf.h"
#include "tests/fuzz/test_bed.h"
#include "tests/fuzz/violation.h"
#include <google/rpc/status.pb.h>

namespace latchkey::fuzz {
namespace {

constexpr int kStepsMax = 32;
// The largest answer, in a frame of its own.
constexpr std::size_t kFrameBytesMax = 16 * 1024;

// A client and its connection.
class Stream final : public SessionLink {
 public:
  explicit Stream(const CallEnvironment& environment)
      : environment_(environment), session_(std::make_shared<Session>(environment, *this)) {}

  void Take(SessionStep step, std::string_view bytes);
  // The connection does what it is asked at once. True once the stream has ended.
  bool Finish();
  // After the end.
  void Check();

 private:
  void Arrive(std::string_view bytes);
  void Sent();

  void Write(std::string frame) override;
  void Read() override;
  void End(const std::optional<Refusal>& refusal) override;
  // What is sent here is read at once, or the client is gone.
  void Break() override {}

  const CallEnvironment& environment_;
  const std::shared_ptr<Session> session_;
  bool broken_ = false;
  bool half_closed_ = false;

  Mutex mutex_;
  bool reading_ GUARDED_BY(mutex_) = true;
  bool writing_ GUARDED_BY(mutex_) = false;
  bool ended_ GUARDED_BY(mutex_) = false;
  bool ended_well_ GUARDED_BY(mutex_) = false;
  // Asked, and not answered yet: how often.
  std::map<std::uint64_t, int> unanswered_ GUARDED_BY(mutex_);
  std::map<std::uint64_t, int> heartbeats_ GUARDED_BY(mutex_);
};

void Stream::Take(SessionStep step, std::string_view bytes) {
  switch (step) {
    case SessionStep::kSent:
      return Sent();
    case SessionStep::kHalfClose: {
      {
        MutexLock lock(mutex_);
        if (!reading_) return;  // The stream is read, and so hears of its end, only when asked.
        reading_ = false;
      }
      half_closed_ = true;
      return session_->OnHalfClosed();
    }
    case SessionStep::kBreak:
      broken_ = true;
      return session_->OnBroken();
    case SessionStep::kDrain:
      return session_->Drain();
    default:
      return Arrive(bytes);
  }
}

// As the stream in server/service does.
void Stream::Arrive(std::string_view bytes) {
  {
    MutexLock lock(mutex_);
    if (!reading_ || ended_) return;
    reading_ = false;
  }
  if (bytes.size() > environment_.limits.frame_bytes) {
    return session_->OnRefused({v1::Refusal::FRAME_TOO_LONG, "too long", {}, {}});
  }
  const auto frame = std::make_shared<SessionFrame>(4 * bytes.size());
  if (!frame->request->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return session_->OnRefused({v1::Refusal::FRAME_MALFORMED, "malformed", {}, {}});
  }
  {
    MutexLock lock(mutex_);
    for (const auto& call : frame->request->calls()) {
      if (!call.has_cancel()) ++unanswered_[call.call_id()];
    }
    if (frame->request->has_heartbeat()) ++heartbeats_[frame->request->heartbeat().heartbeat_id()];
  }
  if (!session_->OnFrame(frame)) return;
  MutexLock lock(mutex_);
  reading_ = true;
}

void Stream::Sent() {
  {
    MutexLock lock(mutex_);
    if (!writing_) return;
    writing_ = false;
  }
  session_->OnWritten();
}

bool Stream::Finish() {
  Sent();
  bool half_close = false;
  {
    MutexLock lock(mutex_);
    if (ended_) return true;
    half_close = std::exchange(reading_, false);
  }
  if (half_close) half_closed_ = true, session_->OnHalfClosed();
  return false;
}

void Stream::Check() {
  MutexLock lock(mutex_);
  if (!ended_) Violated("S2", "a session does not end");
  if (broken_ || !half_closed_ || !ended_well_) return;
  for (const auto& [call_id, times] : unanswered_) {
    if (times != 0) Violated("S2", "a session ended well and left a call unanswered");
  }
  for (const auto& [heartbeat_id, times] : heartbeats_) {
    if (times != 0) Violated("S2", "a session ended well and left a heartbeat unanswered");
  }
}

void Stream::Write(std::string frame) {
  MutexLock lock(mutex_);
  if (std::exchange(writing_, true)) Violated("S2", "a frame is sent while another one is");
  if (ended_) Violated("S2", "a frame is sent after the end");
  if (frame.empty() || frame.size() > kFrameBytesMax) Violated("S2", "a frame has a wrong size");
  v1::SessionResponse response;
  if (!response.ParseFromString(frame)) Violated("S2", "a frame cannot be parsed");
  for (const auto& reply : response.replies()) {
    if (--unanswered_[reply.call_id()] < 0) Violated("S2", "a call was answered twice, or unasked");
    if (reply.reply_case() == v1::SessionResponse::Reply::REPLY_NOT_SET) {
      Violated("S2", "an answer says nothing");
    }
  }
  for (const auto& reply : response.heartbeats()) {
    if (--heartbeats_[reply.heartbeat_id()] < 0) {
      Violated("S2", "a heartbeat was answered twice, or unasked");
    }
  }
}

void Stream::Read() {
  MutexLock lock(mutex_);
  if (std::exchange(reading_, true)) Violated("S2", "a frame is read while another one is");
  if (ended_) Violated("S2", "a frame is read after the end");
}

void Stream::End(const std::optional<Refusal>& refusal) {
  MutexLock lock(mutex_);
  if (std::exchange(ended_, true)) Violated("S2", "a session ends twice");
  if (writing_) Violated("S2", "a session ends while a frame is being sent");
  ended_well_ = !refusal.has_value();
  if (refusal.has_value() && ToRpcStatus(*refusal).code() == 0) {
    Violated("S2", "a session is refused with OK");
  }
}

}  // namespace
}  // namespace latchkey::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace latchkey::fuzz;  // NOLINT(google-build-using-namespace)
  SilenceProtobuf();
  std::string_view input(reinterpret_cast<const char*>(data), size);
  TestBed bed;
  Stream streams[] = {Stream(bed.environment()), Stream(bed.environment())};
  InputStep step;
  for (int i = 0; i < kStepsMax && TakeStep(&input, &step); ++i) {
    const auto kind = static_cast<SessionStep>(step.kind / 2 % kSessionSteps);
    if (kind == SessionStep::kPass) {
      bed.Pass(std::chrono::milliseconds(NumberOf(step.bytes) % 2'000));
    } else {
      streams[step.kind % 2].Take(kind, step.bytes);
    }
    bed.SettleAndCheck();
  }
  bed.partitions().EndAllWaits();
  // In each round a frame is sent, or a large answer gets its turn.
  for (int i = 0; i < 4'096; ++i) {
    bed.Settle();
    const bool first = streams[0].Finish();
    const bool second = streams[1].Finish();
    if (first && second) break;
  }
  for (Stream& stream : streams) stream.Check();
  return 0;
}
