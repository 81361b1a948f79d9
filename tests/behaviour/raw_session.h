// A session by the stock stub, and short forms of what goes into its frames.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "server/machine/proto_time.h"
#include "tests/behaviour/behaviour_fixture.h"

namespace latchkey {

using Frame = v1::SessionRequest;
using Answer = v1::SessionResponse::Reply;
using Stream = grpc::ClientReaderWriter<v1::SessionRequest, v1::SessionResponse>;

// One stream, read as single answers.
class RawSession {
 public:
  explicit RawSession(v1::CoordinationService::Stub& stub, const std::string& token = "") {
    if (!token.empty()) context_.AddMetadata("authorization", "Bearer " + token);
    context_.set_deadline(std::chrono::system_clock::now() + 60s);
    stream_ = stub.Session(&context_);
  }

  void Send(const Frame& frame) { EXPECT_TRUE(stream_->Write(frame)); }
  // The next answer to a call; fails the test if the stream ends before.
  Answer Next() {
    while (answers_.empty() && Read()) {
    }
    EXPECT_FALSE(answers_.empty()) << "the stream has ended";
    if (answers_.empty()) return {};
    Answer answer = std::move(answers_.front());
    answers_.pop_front();
    return answer;
  }
  // The answer to this call, in whatever order they come.
  Answer NextTo(std::uint64_t call_id) {
    while (true) {
      for (auto answer = answers_.begin(); answer != answers_.end(); ++answer) {
        if (answer->call_id() != call_id) continue;
        Answer found = std::move(*answer);
        answers_.erase(answer);
        return found;
      }
      if (Read()) continue;
      ADD_FAILURE() << "the stream has ended";
      return {};
    }
  }
  v1::SessionResponse::HeartbeatReply NextHeartbeat() {
    while (heartbeats_.empty() && Read()) {
    }
    EXPECT_FALSE(heartbeats_.empty()) << "the stream has ended";
    if (heartbeats_.empty()) return {};
    auto heartbeat = std::move(heartbeats_.front());
    heartbeats_.pop_front();
    return heartbeat;
  }
  v1::SessionResponse::LeaseLost NextLoss() {
    while (losses_.empty() && Read()) {
    }
    EXPECT_FALSE(losses_.empty()) << "the stream has ended";
    return losses_.empty() ? v1::SessionResponse::LeaseLost() : losses_.front();
  }
  // Reads to the end.
  Reply<v1::SessionResponse> End() {
    while (Read()) {
    }
    return {stream_->Finish(), {}};
  }
  void HalfClose() { stream_->WritesDone(); }
  void Break() { context_.TryCancel(); }
  const std::deque<Answer>& answers() const { return answers_; }
  Stream& stream() { return *stream_; }

 private:
  bool Read() {
    v1::SessionResponse frame;
    if (!stream_->Read(&frame)) return false;
    answers_.insert(answers_.end(), frame.replies().begin(), frame.replies().end());
    heartbeats_.insert(heartbeats_.end(), frame.heartbeats().begin(), frame.heartbeats().end());
    losses_.insert(losses_.end(), frame.lost().begin(), frame.lost().end());
    return true;
  }

  grpc::ClientContext context_;
  std::unique_ptr<Stream> stream_;
  std::deque<Answer> answers_;
  std::deque<v1::SessionResponse::HeartbeatReply> heartbeats_;
  std::deque<v1::SessionResponse::LeaseLost> losses_;
};

inline void AddAcquire(Frame& frame, std::uint64_t call_id, const std::string& key,
                       const std::string& attempt_id, Duration wait = Duration::zero(),
                       Duration lease = 30s) {
  auto* call = frame.add_calls();
  call->set_call_id(call_id);
  auto* acquire = call->mutable_acquire_lock();
  acquire->set_key(key);
  acquire->set_attempt_id(attempt_id);
  SetProto(lease, acquire->mutable_lease_duration());
  if (wait > Duration::zero()) SetProto(wait, acquire->mutable_wait_timeout());
}

inline void AddRecord(Frame& frame, std::uint64_t call_id, const std::string& key,
                      std::uint64_t token) {
  auto* call = frame.add_calls();
  call->set_call_id(call_id);
  call->mutable_record_result()->set_key(key);
  call->mutable_record_result()->set_fencing_token(token);
  call->mutable_record_result()->set_outcome(v1::Result::SUCCEEDED);
}

inline void AddLease(Frame& frame, const std::string& key, std::uint64_t token) {
  auto* lease = frame.mutable_heartbeat()->add_leases();
  lease->set_key(key);
  lease->set_fencing_token(token);
}

inline std::string ReasonOf(const Answer& answer) {
  return ErrorInfoOf({grpc::StatusCode::UNKNOWN, "", answer.refusal().SerializeAsString()})
      .value_or(google::rpc::ErrorInfo())
      .reason();
}

}  // namespace latchkey
