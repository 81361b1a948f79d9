#include "server/service/session_streams.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/calls/session.h"
#include "server/service/caller_of.h"
#include "server/service/caller_trace.h"
#include "server/service/grpc_status.h"
#include <grpcpp/server_context.h>
#include <grpcpp/support/proto_buffer_reader.h>

namespace latchkey {
namespace {

using R = v1::Refusal;

Refusal FrameMalformed() {
  return {R::FRAME_MALFORMED, "a frame of the session is no SessionRequest", {}, {}};
}

Refusal FrameTooLong(const Limits& limits) {
  const std::string most = std::to_string(limits.frame_bytes);
  return {R::FRAME_TOO_LONG,
          "a frame of a session has more than " + most +
              " bytes; send several, and what does not fit into one by a call of its own",
          {{"frame_bytes_max", most}},
          {}};
}

// How much memory a frame takes for each of its bytes, about.
constexpr std::size_t kSpread = 4;

}  // namespace

Refusal TooManySessions(const Limits& limits) {
  const std::string most = std::to_string(limits.sessions);
  return {R::OVERLOADED,
          "the most sessions, " + most + ", are open; share one among many calls, or try again",
          {{"sessions_max", most}},
          std::chrono::seconds(1)};
}

// Owned by gRPC until it is done with it, which it is only after End.
class SessionStreams::Stream final
    : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
      public SessionLink {
 public:
  Stream(SessionStreams& streams, grpc::CallbackServerContext& context)
      : streams_(streams),
        context_(context),
        session_(std::make_shared<Session>(streams.environment_, *this,
                                           CallerOf(streams.environment_.access, context),
                                           CallerTrace(context))) {
    StartRead(&in_);
  }

  std::shared_ptr<Session> session() const { return session_; }

  void OnReadDone(bool ok) override {
    if (!ok) return session_->OnHalfClosed();
    const Limits& limits = streams_.environment_.limits;
    if (in_.Length() > limits.frame_bytes) return session_->OnRefused(FrameTooLong(limits));
    const auto frame = std::make_shared<SessionFrame>(kSpread * in_.Length());
    {
      grpc::ProtoBufferReader reader(&in_);
      if (!frame->request->ParseFromZeroCopyStream(&reader)) {
        return session_->OnRefused(FrameMalformed());
      }
    }
    in_.Clear();
    if (session_->OnFrame(frame)) StartRead(&in_);
  }

  void OnWriteDone(bool ok) override {
    if (!ok) session_->OnBroken();
    session_->OnWritten();
  }

  void OnCancel() override { session_->OnBroken(); }

  void OnDone() override {
    streams_.Forget(this);
    delete this;
  }

 private:
  void Write(std::string frame) override {
    const grpc::Slice slice(frame);
    out_ = grpc::ByteBuffer(&slice, 1);
    StartWrite(&out_);
  }
  void Read() override { StartRead(&in_); }
  void End(const std::optional<Refusal>& refusal) override {
    Finish(refusal.has_value() ? ToGrpcStatus(*refusal) : grpc::Status::OK);
  }

  void Break() override { context_.TryCancel(); }

  SessionStreams& streams_;
  grpc::CallbackServerContext& context_;
  const std::shared_ptr<Session> session_;
  grpc::ByteBuffer in_;
  grpc::ByteBuffer out_;
};

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* SessionStreams::Open(
    grpc::CallbackServerContext& context) {
  auto* stream = new Stream(*this, context);
  bool draining = false;
  bool too_many = false;
  {
    MutexLock lock(mutex_);
    streams_.insert(stream);
    draining = draining_;
    too_many = streams_.size() > environment_.limits.sessions;
  }
  if (draining) stream->session()->Drain();
  if (too_many) stream->session()->OnRefused(TooManySessions(environment_.limits));
  stream->session()->CheckCaller();
  return stream;
}

void SessionStreams::Drain() {
  {
    MutexLock lock(mutex_);
    draining_ = true;
  }
  for (const auto& session : OpenSessions()) session->Drain();
}

void SessionStreams::CheckCallers() {
  for (const auto& session : OpenSessions()) session->CheckCaller();
}

std::vector<std::shared_ptr<Session>> SessionStreams::OpenSessions() {
  MutexLock lock(mutex_);
  std::vector<std::shared_ptr<Session>> sessions;
  for (Stream* stream : streams_) sessions.push_back(stream->session());
  return sessions;
}

// With the lock, so that none of them ends meanwhile: breaking one calls nothing back here.
void SessionStreams::BreakUnread(MonotonicTime now) {
  MutexLock lock(mutex_);
  for (Stream* stream : streams_) {
    stream->session()->BreakIfNotRead(now, environment_.limits.session_unread_max);
  }
}

std::size_t SessionStreams::count() const {
  MutexLock lock(mutex_);
  return streams_.size();
}

void SessionStreams::Forget(Stream* stream) {
  MutexLock lock(mutex_);
  streams_.erase(stream);
}

}  // namespace latchkey
