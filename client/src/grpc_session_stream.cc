#include "grpc_session_stream.h"

#include <optional>
#include <utility>

#include "base/mutex.h"
#include "library_thread.h"
#include "security.h"
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/proto_buffer_reader.h>

namespace latchkey::inline client::internal {
namespace {

using grpc::ByteBuffer;

constexpr char kMethod[] = "/latchkey.v1.CoordinationService/Session";

// As bytes, because the session serialises each call by itself. Keeps itself until gRPC is done.
class GrpcSessionStream final : public SessionStream,
                                public grpc::ClientBidiReactor<ByteBuffer, ByteBuffer> {
 public:
  static std::shared_ptr<SessionStream> Open(const std::shared_ptr<grpc::Channel>& channel,
                                             std::shared_ptr<Security> security,
                                             std::shared_ptr<SessionEvents> events) {
    auto stream = std::make_shared<GrpcSessionStream>();
    stream->events_ = std::move(events);
    stream->self_ = stream;
    stream->shown_ = security->Show(*stream->context_);
    stream->security_ = std::move(security);
    grpc::TemplatedGenericStub<ByteBuffer, ByteBuffer>(channel).PrepareBidiStreamingCall(
        &*stream->context_, kMethod, {}, stream.get());
    stream->AddHold();  // For writes from outside, until the stream is seen to have broken.
    stream->StartRead(&stream->in_);
    stream->StartCall();
    return stream;
  }

  void Write(std::string frame) override {
    const grpc::Slice slice(frame);
    out_ = ByteBuffer(&slice, 1);
    MutexLock lock(mutex_);
    if (!broken_) StartWrite(&out_);
  }

  void Cancel() override {
    MutexLock lock(mutex_);
    if (!broken_) context_->TryCancel();
  }

  void OnReadDone(bool ok) override {
    const LibraryThread mark;
    if (!ok) {
      {
        MutexLock lock(mutex_);
        broken_ = true;
      }
      return RemoveHold();
    }
    v1::SessionResponse frame;
    bool parsed = false;
    {
      grpc::ProtoBufferReader reader(&in_);
      parsed = frame.ParseFromZeroCopyStream(&reader);
    }
    in_.Clear();
    if (parsed) {
      events_->OnFrame(frame);
    } else {
      Cancel();
    }
    StartRead(&in_);
  }

  void OnWriteDone(bool ok) override {
    const LibraryThread mark;
    if (ok) events_->OnWritten();  // Otherwise a read fails, too.
  }

  void OnDone(const grpc::Status& status) override {
    const LibraryThread mark;
    const auto self = std::move(self_);
    const auto events = std::move(events_);
    // It owns a share of the channel, and whoever hears of the end may drop the last other one.
    context_.reset();
    events->OnEnded(security_->Judge(
        shown_, {status.error_code(), status.error_message(), status.error_details()}));
  }

 private:
  std::shared_ptr<GrpcSessionStream> self_;
  std::shared_ptr<SessionEvents> events_;
  std::shared_ptr<Security> security_;
  Security::Shown shown_;
  ByteBuffer in_;
  ByteBuffer out_;
  Mutex mutex_;
  bool broken_ GUARDED_BY(mutex_) = false;
  std::optional<grpc::ClientContext> context_{std::in_place};
};

}  // namespace

OpenSessionStream OpenOn(std::shared_ptr<grpc::Channel> channel,
                         std::shared_ptr<Security> security) {
  return [channel = std::move(channel),
          security = std::move(security)](std::shared_ptr<SessionEvents> events) {
    return GrpcSessionStream::Open(channel, security, std::move(events));
  };
}

}  // namespace latchkey::inline client::internal
