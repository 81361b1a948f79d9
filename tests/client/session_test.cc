// The client's end of a session, in virtual time over a stream that a test plays.
#include "client/src/session.h"

#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "answers.h"
#include "client/src/convert.h"
#include "client/src/session_transport.h"
#include "client/src/system_runtime.h"
#include "client_fixture.h"
#include <gtest/gtest.h>

namespace latchkey::inline client::internal {
namespace {

using grpc::StatusCode;
using std::chrono::milliseconds;
using std::chrono::seconds;

// What the client has sent, and the way to answer it. Thread-safe.
class FakeStream final : public SessionStream {
 public:
  explicit FakeStream(std::shared_ptr<SessionEvents> to) : events(std::move(to)) {}

  void Write(std::string frame) override {
    v1::SessionRequest parsed;
    EXPECT_TRUE(parsed.ParseFromString(frame));
    EXPECT_LE(frame.size(), std::size_t{1024} * 1024);
    MutexLock lock(mutex_);
    EXPECT_FALSE(writing_) << "a frame was written before the last one was";
    writing_ = true;
    frames_.push_back(std::move(parsed));
    changed_.NotifyAll();
  }
  void Cancel() override { cancelled = true; }

  // The frames sent so far, each once.
  std::vector<v1::SessionRequest> Take() {
    MutexLock lock(mutex_);
    return std::exchange(frames_, {});
  }
  v1::SessionRequest Await() {
    MutexLock lock(mutex_);
    while (frames_.empty()) changed_.Wait(mutex_);
    v1::SessionRequest first = std::move(frames_.front());
    frames_.erase(frames_.begin());
    return first;
  }
  void Written() {
    {
      MutexLock lock(mutex_);
      writing_ = false;
    }
    events->OnWritten();
  }

  const std::shared_ptr<SessionEvents> events;
  std::atomic<bool> cancelled = false;

 private:
  Mutex mutex_;
  Condition changed_;
  bool writing_ GUARDED_BY(mutex_) = false;
  std::vector<v1::SessionRequest> frames_ GUARDED_BY(mutex_);
};

class SessionTest : public ClientTest {
 protected:
  // A session and its stream keep each other until that ends.
  ~SessionTest() override {
    for (const auto& stream : streams_) stream->events->OnEnded({});
  }

  // A call's end.
  struct End {
    int count = 0;
    CallStatus status;
    v1::AcquireLockResponse granted;
    v1::RenewLeaseResponse renewed;
  };

  std::shared_ptr<Transport> MakeSession(const std::shared_ptr<Runtime>& runtime) {
    return MakeSessionTransport(
        runtime,
        [this](std::shared_ptr<SessionEvents> events) {
          streams_.push_back(std::make_shared<FakeStream>(std::move(events)));
          return streams_.back();
        },
        transport_);
  }
  FakeStream& stream() { return *streams_.back(); }

  std::shared_ptr<End> Acquire(const std::string& key, TryLimits limits = {seconds(5)}) {
    auto end = std::make_shared<End>();
    v1::AcquireLockRequest request;
    request.set_key(key);
    session_->AcquireLock(std::move(request), std::move(limits),
                          [end](const CallStatus& status, v1::AcquireLockResponse response) {
                            ++end->count;
                            end->status = status;
                            end->granted = std::move(response);
                          });
    return end;
  }
  std::shared_ptr<End> Renew(const std::string& key, std::uint64_t token) {
    auto end = std::make_shared<End>();
    v1::RenewLeaseRequest request;
    request.set_key(key);
    request.set_fencing_token(token);
    session_->RenewLease(std::move(request), {seconds(5)},
                         [end](const CallStatus& status, v1::RenewLeaseResponse response) {
                           ++end->count;
                           end->status = status;
                           end->renewed = std::move(response);
                         });
    return end;
  }
  static v1::SessionResponse GrantTo(std::uint64_t call_id, std::uint64_t token) {
    v1::SessionResponse frame;
    auto* reply = frame.add_replies();
    reply->set_call_id(call_id);
    *reply->mutable_acquire_lock() = Granted(token).response;
    return frame;
  }
  void Send(v1::SessionResponse frame) { stream().events->OnFrame(frame); }

  std::vector<std::shared_ptr<FakeStream>> streams_;
  std::shared_ptr<Transport> session_ = MakeSession(runtime_);
};

TEST_F(SessionTest, GathersWhatComesWhileAFrameIsWritten) {
  const auto first = Acquire("k1");
  const auto second = Acquire("k2");
  const auto third = Acquire("k3");
  auto frames = stream().Take();
  ASSERT_EQ(frames.size(), 1u);
  ASSERT_EQ(frames[0].calls_size(), 1);
  EXPECT_EQ(frames[0].calls(0).acquire_lock().key(), "k1");
  stream().Written();
  frames = stream().Take();
  ASSERT_EQ(frames.size(), 1u);
  ASSERT_EQ(frames[0].calls_size(), 2);
  EXPECT_EQ(frames[0].calls(1).acquire_lock().key(), "k3");
  // Out of order.
  Send(GrantTo(frames[0].calls(1).call_id(), 9));
  EXPECT_EQ(third->granted.grant().fencing_token(), 9u);
  EXPECT_EQ(first->count + second->count, 0);
}

TEST_F(SessionTest, CallsBegunByAnswersGoTogether) {
  v1::SessionResponse answers;
  for (int i = 0; i < 3; ++i) {
    v1::AcquireLockRequest request;
    request.set_key("k" + std::to_string(i));
    session_->AcquireLock(std::move(request), {seconds(5)},
                          [this](const CallStatus&, const v1::AcquireLockResponse& response) {
                            (void)Renew("r", response.grant().fencing_token());
                            (void)Acquire("next");
                          });
    stream().Written();
    const auto frame = stream().Await();
    answers.MergeFrom(GrantTo(frame.calls(0).call_id(), static_cast<std::uint64_t>(i + 1)));
  }
  stream().Written();
  Send(answers);
  const auto frames = stream().Take();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].calls_size(), 3);
  EXPECT_EQ(frames[0].heartbeat().leases_size(), 3);
}

TEST_F(SessionTest, OneHeartbeatRenewsAllLeasesThatAreDue) {
  (void)Acquire("k");
  std::vector<std::shared_ptr<End>> ends;
  for (std::uint64_t token = 1; token <= 3; ++token) {
    ends.push_back(Renew("key:" + std::to_string(token), token));
  }
  stream().Take();
  stream().Written();
  const auto frame = stream().Await();
  ASSERT_EQ(frame.heartbeat().leases_size(), 3);
  EXPECT_GT(frame.heartbeat().heartbeat_id(), 0u);
  EXPECT_EQ(frame.heartbeat().leases(2).key(), "key:3");
  EXPECT_EQ(frame.heartbeat().leases(2).fencing_token(), 3u);
  v1::SessionResponse answer;
  auto& heartbeat = *answer.add_heartbeats();
  heartbeat.set_heartbeat_id(frame.heartbeat().heartbeat_id());
  *heartbeat.mutable_server_elapsed() = ToProto(milliseconds(2));
  *heartbeat.add_leases()->mutable_lease_remaining() = ToProto(seconds(10));
  heartbeat.add_leases()->set_lost_reason("LEASE_EXPIRED");
  heartbeat.add_leases()->set_lost_reason("SHUTTING_DOWN");
  Send(answer);
  EXPECT_EQ(ends[0]->status.code, StatusCode::OK);
  EXPECT_EQ(FromProto(ends[0]->renewed.lease_remaining()), seconds(10));
  EXPECT_EQ(FromProto(ends[0]->renewed.server_elapsed()), milliseconds(2));
  EXPECT_EQ(Explain(ends[1]->status).error.reason, "LEASE_EXPIRED");
  EXPECT_EQ(Explain(ends[1]->status).error.kind, Error::Kind::kRefused);
  EXPECT_EQ(Explain(ends[2]->status).error.kind, Error::Kind::kUnavailable);
}

TEST_F(SessionTest, ARenewalWithMoreIsACallOfItsOwn) {
  v1::RenewLeaseRequest request;
  request.set_key("k");
  request.set_effect_started(true);
  session_->RenewLease(std::move(request), {seconds(5)}, [](const auto&, const auto&) {});
  const auto frame = stream().Await();
  EXPECT_TRUE(frame.calls(0).renew_lease().effect_started());
  EXPECT_FALSE(frame.has_heartbeat());
}

TEST_F(SessionTest, RefusalsAreThoseOfUnaryCalls) {
  const auto end = Acquire("k");
  v1::SessionResponse answer;
  answer.add_replies()->set_call_id(stream().Await().calls(0).call_id());
  answer.mutable_replies(0)->mutable_refusal()->ParseFromString(
      Refusal(StatusCode::FAILED_PRECONDITION, "KEY_EXPIRED").details);
  Send(answer);
  EXPECT_EQ(end->status.code, StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(Explain(end->status).error.reason, "KEY_EXPIRED");
}

TEST_F(SessionTest, AnAnswerToAnotherKindOfCallIsNone) {
  const auto end = Acquire("k");
  v1::SessionResponse answer;
  answer.add_replies()->set_call_id(stream().Await().calls(0).call_id());
  answer.mutable_replies(0)->mutable_release();
  Send(answer);
  EXPECT_EQ(end->status.code, StatusCode::INTERNAL);
}

TEST_F(SessionTest, ACallEndsAtItsTimeOutAndTheServiceIsTold) {
  const auto end = Acquire("k", {seconds(3)});
  const auto call_id = stream().Await().calls(0).call_id();
  stream().Written();
  runtime_->Advance(seconds(2));
  EXPECT_EQ(end->count, 0);
  runtime_->Advance(seconds(2));
  EXPECT_EQ(end->status.code, StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(stream().Await().calls(0).cancel().call_id(), call_id);
  Send(GrantTo(call_id, 1));  // too late
  EXPECT_EQ(end->count, 1);
}

TEST_F(SessionTest, ACallEndsWhenItIsStopped) {
  std::stop_source stop;
  const auto end = Acquire("k", {seconds(5), stop.get_token()});
  const auto call_id = stream().Await().calls(0).call_id();
  stream().Written();
  stop.request_stop();
  runtime_->Advance(milliseconds(1));
  EXPECT_EQ(end->status.code, StatusCode::CANCELLED);
  EXPECT_EQ(stream().Await().calls(0).cancel().call_id(), call_id);
  EXPECT_EQ(Acquire("k", {seconds(5), stop.get_token()})->status.code, StatusCode::CANCELLED);
}

TEST_F(SessionTest, ABrokenStreamEndsItsCallsAndTheNextCallOpensAnother) {
  const auto broken = Acquire("k");
  const auto unsent = Acquire("k2");
  stream().events->OnEnded({StatusCode::INTERNAL, "reset"});
  for (const auto& end : {broken, unsent}) {
    EXPECT_EQ(end->status.code, StatusCode::UNAVAILABLE);
    EXPECT_TRUE(Explain(end->status).broken);
  }
  const auto again = Acquire("k");
  ASSERT_EQ(streams_.size(), 2u);
  Send(GrantTo(stream().Await().calls(0).call_id(), 5));
  EXPECT_EQ(again->granted.grant().fencing_token(), 5u);
}

// It would be believed, and one of them may have been decided.
TEST_F(SessionTest, TheRefusalOfAStreamIsNoAnswerToItsCalls) {
  const auto end = Acquire("k");
  stream().events->OnEnded(Refusal(StatusCode::INVALID_ARGUMENT, "FRAME_MALFORMED"));
  EXPECT_EQ(Explain(end->status).error.kind, Error::Kind::kUnavailable);
}

TEST_F(SessionTest, FallsBackToUnaryCallsWhereSessionsAreNotKnown) {
  const auto end = Acquire("k");
  stream().events->OnEnded({StatusCode::UNIMPLEMENTED, "no such method"});
  EXPECT_EQ(end->status.code, StatusCode::UNAVAILABLE);
  const auto unary = Acquire("k");
  (void)Renew("k", 1);
  runtime_->Advance(seconds(1));
  EXPECT_TRUE(unary->granted.has_grant());
  EXPECT_EQ(transport_->acquire.count(), 1u);
  EXPECT_EQ(transport_->renew.count(), 1u);
  EXPECT_EQ(streams_.size(), 1u);
}

TEST_F(SessionTest, WhatDoesNotFitIntoAFrameGoesByAUnaryCall) {
  v1::RecordResultRequest request;
  request.set_payload(std::string(1024 * 1024, 'x'));
  session_->RecordResult(request, {seconds(5)}, [](const auto&, const auto&) {});
  ASSERT_EQ(transport_->record.count(), 1u);
  EXPECT_EQ(transport_->record.seen()[0].payload().size(), std::size_t{1024} * 1024);
  EXPECT_TRUE(streams_.empty());
}

TEST_F(SessionTest, KeepsTheBoundsOfFramesAndOfCallsInFlight) {
  constexpr int kCalls = 70'000;
  for (int i = 0; i < kCalls; ++i) (void)Acquire("k" + std::to_string(i));
  int sent = 0;
  std::vector<std::uint64_t> unanswered;
  const auto take = [&] {
    for (const auto& frame : stream().Take()) {
      EXPECT_LE(frame.calls_size(), 4096);
      sent += frame.calls_size();
      for (const auto& call : frame.calls()) unanswered.push_back(call.call_id());
    }
  };
  for (int i = 0; i < 40; ++i) {
    take();
    stream().Written();
  }
  EXPECT_GT(sent, 50'000);
  EXPECT_LE(sent, 65'536 - 4096);
  // What ends something has room.
  const auto renewal = Renew("k", 1);
  stream().Written();
  EXPECT_EQ(stream().Await().heartbeat().leases_size(), 1);
  v1::SessionResponse answers;
  for (const auto call_id : unanswered) answers.MergeFrom(GrantTo(call_id, 1));
  unanswered.clear();
  Send(answers);
  for (int i = 0; i < 10; ++i) {
    stream().Written();
    take();
  }
  EXPECT_EQ(sent, kCalls);
}

TEST_F(SessionTest, WhatEndedWhileItWasHeldBackHoldsNothingBack) {
  for (int i = 0; i < 70'000; ++i) (void)Acquire("k", {seconds(1)});
  runtime_->Advance(seconds(2));
  const auto end = Acquire("fresh");
  std::uint64_t call_id = 0;
  for (int i = 0; i < 60 && call_id == 0; ++i) {
    for (const auto& frame : stream().Take()) {
      for (const auto& call : frame.calls()) {
        if (call.acquire_lock().key() == "fresh") call_id = call.call_id();
      }
    }
    stream().Written();
  }
  ASSERT_NE(call_id, 0u) << "it was not sent";
  Send(GrantTo(call_id, 1));
  EXPECT_EQ(end->count, 1);
}

TEST_F(SessionTest, ALeaseIsLostWhenTheServiceSaysSo) {
  Client client = MakeClient(runtime_, session_);
  auto acquired = AsFuture(client, &Client::AcquireLockAsync, "order:1", AcquireOptions{});
  Send(GrantTo(stream().Await().calls(0).call_id(), 7));
  AcquireAnswer answer = acquired.get();
  Lease& lease = std::get<Lease>(answer);
  std::string heard;
  lease.OnLost([&](std::string reason) { heard = std::move(reason); });
  v1::SessionResponse loss;
  loss.add_lost()->set_fencing_token(8);  // another's
  loss.mutable_lost(0)->set_reason("LEASE_EXPIRED");
  Send(loss);
  EXPECT_EQ(lease.state(), LeaseState::kHeld);
  loss.mutable_lost(0)->set_fencing_token(7);
  Send(loss);
  EXPECT_EQ(lease.state(), LeaseState::kLost);
  runtime_->Advance(milliseconds(1));
  EXPECT_EQ(heard, "LEASE_EXPIRED");
  stream().events->OnEnded({});
}

TEST_F(SessionTest, ShutdownEndsCallsAndStream) {
  const auto end = Acquire("k");
  std::thread ends([&] {
    while (!stream().cancelled) std::this_thread::yield();
    stream().events->OnEnded({StatusCode::CANCELLED, "cancelled"});
  });
  session_->Shutdown();
  ends.join();
  EXPECT_EQ(end->status.code, StatusCode::CANCELLED);
  EXPECT_EQ(Acquire("k")->status.code, StatusCode::CANCELLED);
  EXPECT_TRUE(transport_->shut_down);
}

TEST_F(SessionTest, ShutdownDoesNotWaitForEverForAStreamThatHangs) {
  (void)Acquire("k");
  session_->Shutdown();
  EXPECT_TRUE(stream().cancelled);
}

v1::SessionResponse AnswersTo(const v1::SessionRequest& request) {
  v1::SessionResponse answer;
  for (const auto& call : request.calls()) {
    auto* reply = answer.add_replies();
    reply->set_call_id(call.call_id());
    *reply->mutable_acquire_lock() = Granted(call.call_id()).response;
  }
  if (!request.has_heartbeat()) return answer;
  auto* heartbeat = answer.add_heartbeats();
  heartbeat->set_heartbeat_id(request.heartbeat().heartbeat_id());
  for (int i = 0; i < request.heartbeat().leases_size(); ++i) heartbeat->add_leases();
  return answer;
}

// Many threads call, one answers, and breaks the stream now and then: what ThreadSanitizer looks
// at.
class SessionThreadsTest : public ClientTest {
 protected:
  void Serve() {
    for (int round = 1;; ++round) {
      const std::shared_ptr<FakeStream> stream = AwaitStream();
      if (stream == nullptr) return;
      for (const auto& request : stream->Take()) {
        stream->Written();
        v1::SessionResponse answer = AnswersTo(request);
        stream->events->OnFrame(answer);
      }
      if (round % 100 == 0) End(stream);
    }
  }
  // Null once stopping.
  std::shared_ptr<FakeStream> AwaitStream() {
    MutexLock lock(mutex_);
    while (current_ == nullptr && !stopping_) opened_.Wait(mutex_);
    return stopping_ ? nullptr : current_;
  }
  // Answers the stream that is left.
  std::shared_ptr<FakeStream> Stop() {
    MutexLock lock(mutex_);
    stopping_ = true;
    opened_.NotifyAll();
    return current_;
  }
  void End(const std::shared_ptr<FakeStream>& stream) {
    {
      MutexLock lock(mutex_);
      current_ = nullptr;
    }
    stream->events->OnEnded({StatusCode::UNAVAILABLE, "reset"});
  }
  // Both are answered, or end with the stream.
  void CallAndRenew(bool stopped) {
    std::stop_source stop;
    std::promise<void> ended;
    session_->AcquireLock({}, {seconds(60), stop.get_token()},
                          [&](const auto&, const auto&) { ended.set_value(); });
    if (stopped) stop.request_stop();
    ended.get_future().wait();
    std::promise<void> renewed;
    session_->RenewLease({}, {seconds(60)}, [&](const auto&, const auto&) { renewed.set_value(); });
    renewed.get_future().wait();
  }

  Mutex mutex_;
  Condition opened_;
  std::shared_ptr<FakeStream> current_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::shared_ptr<SystemRuntime> machine_ = std::make_shared<SystemRuntime>();
  std::shared_ptr<Transport> session_ = MakeSessionTransport(
      machine_,
      [this](std::shared_ptr<SessionEvents> events) {
        MutexLock lock(mutex_);
        current_ = std::make_shared<FakeStream>(std::move(events));
        opened_.NotifyAll();
        return current_;
      },
      transport_);
};

TEST_F(SessionThreadsTest, CallFromManyThreadsOverStreamsThatBreak) {
  std::thread service([this] { Serve(); });
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([this, caller] {
      for (int i = 0; i < 200; ++i) CallAndRenew(i % 5 == caller);
    });
  }
  for (auto& caller : callers) caller.join();
  Stop();
  service.join();
  machine_->Stop();
  if (const auto last = Stop()) End(last);
  session_->Shutdown();
}

}  // namespace
}  // namespace latchkey::inline client::internal
