#include "tools/load_generator/attacks.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include "latchkey/v1/coordination.grpc.pb.h"
#include "tools/load_generator/caller.h"
#include "tools/load_generator/report.h"
#include "tools/load_generator/server_counts.h"
#include <grpcpp/grpcpp.h>

namespace latchkey::bench {
namespace {

using Milliseconds = std::chrono::milliseconds;
using Frame = v1::SessionRequest;

constexpr std::chrono::seconds kPatience(60);
constexpr int kWaitersPerKey = 1'000;
constexpr int kWave = 10'000;
constexpr std::size_t kLargePayload = 60'000;
constexpr std::size_t kFrameBytesMax = 1024 * 1024;
constexpr int kOversizing = 8;
constexpr int kVanishing = 50;
constexpr int kCallsOfAVanishing = 200;

// What a client of HTTP/2 says first: its preface and empty settings. Without them the server would
// soon close the connection.
constexpr char kPreface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";

// Connections that stay, and ask for nothing.
class IdleConnections final : public Attack {
 public:
  static absl::StatusOr<std::unique_ptr<Attack>> Begin(const BenchOptions& options,
                                                       ServerProcess& server) {
    auto attack = std::make_unique<IdleConnections>();
    const std::string& address = server.address();
    const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
    for (int i = 0; i < options.hostile_connections; ++i) {
      if (i % 500 == 0) ShowProgress("hostile: connection " + std::to_string(i));
      if (!attack->Connect(port)) {
        return absl::UnavailableError("connection " + std::to_string(i) + " was not made");
      }
    }
    return attack;
  }
  ~IdleConnections() override {
    for (const int socket : sockets_) ::close(socket);
  }
  std::uint64_t count() const override { return sockets_.size(); }

 private:
  bool Connect(std::uint16_t port) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket < 0) return false;
    sockets_.push_back(socket);
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    constexpr ssize_t kBytes = sizeof(kPreface) - 1;
    return ::connect(socket, reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0 &&
           ::send(socket, kPreface, kBytes, MSG_NOSIGNAL) == kBytes;
  }

  std::vector<int> sockets_;
};

// Calls that wait, as many as may, for keys that are never free.
class Waiters final : public Attack {
 public:
  static absl::StatusOr<std::unique_ptr<Attack>> Begin(const BenchOptions& options,
                                                       ServerProcess& server) {
    auto attack = std::make_unique<Waiters>();
    attack->caller_ = MakeCaller(Transport::kSession, server.address());
    const int keys = (options.hostile_waiters + kWaitersPerKey - 1) / kWaitersPerKey;
    const auto held =
        AcquireMany(*attack->caller_, "wanted", keys, [] { return AcquireOptions().lease; });
    if (!held.ok()) return held.status();
    const ServerCounts counts(server.address());
    for (int sent = 0; sent < options.hostile_waiters;) {
      for (const int wave = std::min(sent + kWave, options.hostile_waiters); sent < wave; ++sent) {
        attack->Wait((*held)[static_cast<std::size_t>(sent % keys)].key, sent);
      }
      ShowProgress("hostile: " + std::to_string(sent) + " wait");
      const auto there = counts.Await(&ServerCounts::Counts::waiters, sent, kPatience);
      if (!there.ok()) return there;
    }
    attack->count_ = static_cast<std::uint64_t>(options.hostile_waiters);
    return attack;
  }
  std::uint64_t count() const override { return count_; }

 private:
  void Wait(const std::string& key, int number) {
    caller_->Acquire({.key = key,
                      .attempt_id = "waiter:" + std::to_string(number),
                      .wait = Milliseconds(kPatience)},
                     [](const absl::StatusOr<std::uint64_t>&) {});
  }
  std::unique_ptr<Caller> caller_;
  std::uint64_t count_ = 0;
};

// A stream of a connection of its own, which sends one frame and reads nothing.
class RawStream final : public grpc::ClientBidiReactor<Frame, v1::SessionResponse> {
 public:
  // `ended` is called once; the stream may be destroyed after that.
  RawStream(const std::string& address, Frame frame, std::function<void()> ended)
      : frame_(std::move(frame)), ended_(std::move(ended)) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    stub_ = v1::CoordinationService::NewStub(
        grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
    stub_->async()->Session(&context_, this);
    StartWrite(&frame_);
    StartCall();
  }
  void Break() { context_.TryCancel(); }
  void OnDone(const grpc::Status&) override { ended_(); }

 private:
  Frame frame_;
  const std::function<void()> ended_;
  std::unique_ptr<v1::CoordinationService::Stub> stub_;
  grpc::ClientContext context_;
};

// Streams on which the same frame is sent again and again: as soon as the server has ended one, or,
// if it does not, after `lifetime`.
class Streams final : public Attack {
 public:
  Streams(const std::string& address, int streams, Frame frame, Milliseconds lifetime) {
    for (int i = 0; i < streams; ++i) {
      threads_.emplace_back([this, address, frame, lifetime] { Repeat(address, frame, lifetime); });
    }
  }
  ~Streams() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      changed_.notify_all();
    }
    for (std::thread& thread : threads_) thread.join();
  }
  std::uint64_t count() const override { return count_; }

 private:
  void Repeat(const std::string& address, const Frame& frame, Milliseconds lifetime) {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      bool ended = false;
      lock.unlock();
      RawStream stream(address, frame, [this, &ended] {
        const std::lock_guard ending(mutex_);
        ended = true;
        changed_.notify_all();
      });
      ++count_;
      lock.lock();
      changed_.wait_for(lock, lifetime, [&] { return ended || stopping_; });
      lock.unlock();
      stream.Break();
      lock.lock();
      changed_.wait(lock, [&] { return ended; });
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;  // under mutex_
  std::atomic<std::uint64_t> count_ = 0;
  std::vector<std::thread> threads_;
};

void AddAcquire(Frame& frame, const std::string& key, int number, bool waits) {
  auto* call = frame.add_calls();
  call->set_call_id(static_cast<std::uint64_t>(number));
  auto* acquire = call->mutable_acquire_lock();
  acquire->set_key(key);
  acquire->set_attempt_id("attempt:" + std::to_string(number));
  acquire->mutable_lease_duration()->set_seconds(60);
  if (waits) acquire->mutable_wait_timeout()->set_seconds(60);
}

absl::StatusOr<std::unique_ptr<Attack>> OversizedFrames(const BenchOptions&,
                                                        ServerProcess& server) {
  Frame frame;
  AddAcquire(frame, std::string(kFrameBytesMax, 'k'), 1, false);
  return std::make_unique<Streams>(server.address(), kOversizing, frame, kPatience);
}

// A key whose result is large.
absl::Status Complete(ServerProcess& server, const std::string& key) {
  const auto stub = v1::CoordinationService::NewStub(
      grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext acquiring;
  v1::AcquireLockRequest acquire;
  acquire.set_key(key);
  acquire.set_attempt_id("a");
  acquire.mutable_lease_duration()->set_seconds(60);
  v1::AcquireLockResponse granted;
  auto status = stub->AcquireLock(&acquiring, acquire, &granted);
  if (!status.ok()) return absl::UnavailableError(status.error_message());
  grpc::ClientContext recording;
  v1::RecordResultRequest record;
  record.set_key(key);
  record.set_fencing_token(granted.grant().fencing_token());
  record.set_outcome(v1::Result::SUCCEEDED);
  record.set_payload(std::string(kLargePayload, 'x'));
  v1::RecordResultResponse recorded;
  status = stub->RecordResult(&recording, record, &recorded);
  return status.ok() ? absl::OkStatus() : absl::UnavailableError(status.error_message());
}

absl::StatusOr<std::unique_ptr<Attack>> SlowReaders(const BenchOptions& options,
                                                    ServerProcess& server) {
  if (auto completed = Complete(server, "large"); !completed.ok()) return completed;
  Frame frame;
  for (int i = 0; i < options.hostile_reads; ++i) AddAcquire(frame, "large", i, false);
  return std::make_unique<Streams>(server.address(), options.hostile_readers, frame, kPatience);
}

absl::StatusOr<std::unique_ptr<Attack>> Vanishing(const BenchOptions&, ServerProcess& server) {
  Frame frame;
  for (int i = 0; i < kCallsOfAVanishing; ++i) {
    AddAcquire(frame, "key:" + std::to_string(i), i, true);
  }
  return std::make_unique<Streams>(server.address(), kVanishing, frame, Milliseconds(100));
}

}  // namespace

const std::vector<AttackKind>& Attacks() {
  static const std::vector<AttackKind> attacks = {
      {"idle connections", "connections", IdleConnections::Begin},
      {"waiters", "waiting calls", Waiters::Begin},
      {"oversized frames", "streams", OversizedFrames},
      {"slow readers", "streams", SlowReaders},
      {"vanishing callers", "streams", Vanishing}};
  return attacks;
}

}  // namespace latchkey::bench
