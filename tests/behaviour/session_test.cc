// What a session adds to the calls that it carries: frames, their order and their bounds,
// heartbeats, lost leases, and its end.
#include <algorithm>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "server/machine/proto_time.h"
#include "tests/behaviour/behaviour_fixture.h"
#include "tests/behaviour/raw_session.h"
#include <grpcpp/generic/generic_stub.h>

namespace latchkey {
namespace {

class SessionTest : public BehaviourTest {};

TEST_P(SessionTest, AnswersManyCallsOfOneFrame) {
  RawSession session(coordination());
  Frame frame;
  for (std::uint64_t i = 0; i < 1000; ++i) AddAcquire(frame, i, "key:" + std::to_string(i), "a");
  session.Send(frame);
  std::vector<bool> answered(1000);
  for (int i = 0; i < 1000; ++i) {
    const Answer answer = session.Next();
    ASSERT_TRUE(answer.acquire_lock().has_grant()) << answer.ShortDebugString();
    answered.at(answer.call_id()) = true;
  }
  EXPECT_EQ(std::count(answered.begin(), answered.end(), true), 1000);
}

TEST_P(SessionTest, RunsTheCallsOnOneKeyInOrder) {
  RawSession session(coordination());
  Frame frame;
  // Each but the first meets a key that the one before it has changed.
  for (std::uint64_t i = 0; i < 200; ++i) {
    AddAcquire(frame, 2 * i, "key", "attempt:" + std::to_string(i));
    auto* call = frame.add_calls();
    call->set_call_id(2 * i + 1);
    call->mutable_release()->set_key("key");
    call->mutable_release()->set_attempt_id("attempt:" + std::to_string(i));
  }
  session.Send(frame);
  std::uint64_t last_token = 0;
  for (int i = 0; i < 400; ++i) {
    const Answer answer = session.Next();
    if (answer.has_release()) {
      EXPECT_EQ(answer.release().state(), State::ABSENT);
      continue;
    }
    ASSERT_TRUE(answer.acquire_lock().has_grant()) << answer.ShortDebugString();
    EXPECT_GT(answer.acquire_lock().grant().fencing_token(), last_token);
    last_token = answer.acquire_lock().grant().fencing_token();
  }
}

TEST_P(SessionTest, AnswersAWaitAfterTheCallsThatCameLater) {
  RawSession session(coordination());
  Frame first;
  AddAcquire(first, 1, "key", "a");
  session.Send(first);
  const std::uint64_t token = session.Next().acquire_lock().grant().fencing_token();
  Frame second;
  AddAcquire(second, 2, "key", "b", 60s);
  AddAcquire(second, 3, "other", "c");
  session.Send(second);
  EXPECT_EQ(session.Next().call_id(), 3u);
  Frame third;
  AddRecord(third, 4, "key", token);
  session.Send(third);
  std::map<std::uint64_t, Answer> answers;
  for (int i = 0; i < 2; ++i) {
    Answer answer = session.Next();
    answers[answer.call_id()] = answer;
  }
  EXPECT_TRUE(answers[4].has_record_result());
  EXPECT_TRUE(answers[2].acquire_lock().has_completed());
}

TEST_P(SessionTest, RefusesACallAsItsUnaryFormDoes) {
  RawSession session(coordination());
  Frame frame;
  AddAcquire(frame, 1, "", "a");
  frame.add_calls()->set_call_id(2);
  AddRecord(frame, 3, "key", 7);
  session.Send(frame);
  std::map<std::uint64_t, std::string> reasons;
  for (int i = 0; i < 3; ++i) {
    const Answer answer = session.Next();
    reasons[answer.call_id()] = ReasonOf(answer);
  }
  EXPECT_EQ(reasons[1], "KEY_REQUIRED");
  EXPECT_EQ(reasons[2], "CALL_REQUIRED");
  EXPECT_EQ(reasons[3], "KEY_UNKNOWN");
}

TEST_P(SessionTest, CancelEndsAWait) {
  const std::uint64_t token = MustAcquire("key", "holder");
  RawSession session(coordination());
  Frame frame;
  AddAcquire(frame, 1, "key", "a", 60s);
  AddAcquire(frame, 2, "key", "b", 60s);
  frame.add_calls()->mutable_cancel()->set_call_id(1);
  frame.add_calls()->mutable_cancel()->set_call_id(99);  // is not there
  session.Send(frame);
  const Answer cancelled = session.Next();
  EXPECT_EQ(cancelled.call_id(), 1u);
  EXPECT_EQ(cancelled.refusal().code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(Release("key", token).ok());
  const Answer granted = session.Next();
  EXPECT_EQ(granted.call_id(), 2u);
  EXPECT_TRUE(granted.acquire_lock().has_grant()) << "the wait that was cancelled got the grant";
}

TEST_P(SessionTest, HeartbeatAnswersEveryLeaseInOrder) {
  const std::uint64_t held = MustAcquire("held", "a");
  const std::uint64_t doubtful = MakeDoubtful("doubtful");
  const std::uint64_t done = MustAcquire("done", "a");
  EXPECT_TRUE(Record("done", done).ok());
  RawSession session(coordination());
  Frame frame;
  frame.mutable_heartbeat()->set_heartbeat_id(7);
  AddLease(frame, "held", held);
  AddLease(frame, "held", held + 1000);
  AddLease(frame, "doubtful", doubtful);
  AddLease(frame, "done", done);
  AddLease(frame, "absent", 1);
  AddLease(frame, "held", held);
  session.Send(frame);
  const auto reply = session.NextHeartbeat();
  EXPECT_EQ(reply.heartbeat_id(), 7u);
  ASSERT_EQ(reply.leases_size(), 6);
  for (const int i : {0, 5}) {
    EXPECT_EQ(reply.leases(i).lost_reason(), "");
    // Together at most what was granted: both are of one clock reading.
    EXPECT_LE(*FromProto(reply.leases(i).lease_remaining()) + *FromProto(reply.server_elapsed()),
              30s + 10s);
    EXPECT_GT(*FromProto(reply.leases(i).lease_remaining()), 10s);
  }
  EXPECT_EQ(reply.leases(1).lost_reason(), "STALE_FENCING_TOKEN");
  EXPECT_EQ(reply.leases(2).lost_reason(), "LEASE_EXPIRED");
  EXPECT_EQ(reply.leases(3).lost_reason(), "ALREADY_COMPLETED");
  EXPECT_EQ(reply.leases(4).lost_reason(), "KEY_UNKNOWN");
  EXPECT_FALSE(reply.leases(4).has_lease_remaining());

  Frame empty;
  empty.mutable_heartbeat()->set_heartbeat_id(8);
  session.Send(empty);
  EXPECT_EQ(session.NextHeartbeat().heartbeat_id(), 8u);
}

TEST_P(SessionTest, AnswersManyHeartbeatsEachByItself) {
  const std::uint64_t held = MustAcquire("held", "a");
  RawSession session(coordination());
  constexpr std::uint64_t kHeartbeats = 200;
  for (std::uint64_t id = 1; id <= kHeartbeats; ++id) {
    Frame frame;
    frame.mutable_heartbeat()->set_heartbeat_id(id);
    AddLease(frame, "held", id % 2 == 0 ? held : held + 1000);
    session.Send(frame);
  }
  for (std::uint64_t i = 0; i < kHeartbeats; ++i) {
    const auto reply = session.NextHeartbeat();
    ASSERT_EQ(reply.leases_size(), 1);
    EXPECT_EQ(reply.leases(0).lost_reason(),
              reply.heartbeat_id() % 2 == 0 ? "" : "STALE_FENCING_TOKEN");
  }
}

TEST_P(SessionTest, HeartbeatExtendsWhatItNamesAndNothingElse) {
  RawSession session(coordination());
  Frame acquire;
  AddAcquire(acquire, 1, "named", "a", {}, 3s);
  AddAcquire(acquire, 2, "unnamed", "a", {}, 3s);
  session.Send(acquire);
  std::map<std::uint64_t, std::uint64_t> tokens;
  for (int i = 0; i < 2; ++i) {
    const Answer answer = session.Next();
    tokens[answer.call_id()] = answer.acquire_lock().grant().fencing_token();
  }
  Await(
      [&] {
        Frame heartbeat;
        AddLease(heartbeat, "named", tokens[1]);
        session.Send(heartbeat);
        EXPECT_EQ(session.NextHeartbeat().leases(0).lost_reason(), "");
        return Check("unnamed")->state() == State::IN_DOUBT;
      },
      "the lease that is not named to run out");
  EXPECT_EQ(Check("named")->state(), State::HELD);
}

TEST_P(SessionTest, IsToldOfALeaseThatItLost) {
  RawSession session(coordination());
  Frame frame;
  AddAcquire(frame, 1, "short", "a", {}, 100ms);
  AddAcquire(frame, 2, "forced", "a");
  session.Send(frame);
  std::map<std::uint64_t, std::uint64_t> tokens;
  for (int i = 0; i < 2; ++i) {
    const Answer answer = session.Next();
    tokens[answer.call_id()] = answer.acquire_lock().grant().fencing_token();
  }
  auto lost = session.NextLoss();
  EXPECT_EQ(lost.namespace_(), "default");
  EXPECT_EQ(lost.key(), "short");
  EXPECT_EQ(lost.fencing_token(), tokens[1]);
  EXPECT_EQ(lost.reason(), "LEASE_EXPIRED");
}

TEST_P(SessionTest, IsToldOfAForcedRelease) {
  const std::uint64_t token = MustAcquire("key", "a");
  RawSession session(coordination());
  // Granted by another call, and renewed by this session.
  Frame heartbeat;
  AddLease(heartbeat, "key", token);
  session.Send(heartbeat);
  EXPECT_EQ(session.NextHeartbeat().leases(0).lost_reason(), "");
  EXPECT_TRUE(ForceRelease("key", token).ok());
  EXPECT_EQ(session.NextLoss().fencing_token(), token);
}

TEST_P(SessionTest, ItsEndEndsItsWaitsAndNoLease) {
  std::uint64_t token = 0;
  MustAcquire("waited", "holder");
  {
    RawSession session(coordination());
    Frame frame;
    AddAcquire(frame, 1, "held", "a");
    AddAcquire(frame, 2, "waited", "b", 60s);
    session.Send(frame);
    token = session.Next().acquire_lock().grant().fencing_token();
    AwaitWaiters("waited", 1);
    session.Break();
    EXPECT_EQ(session.End().status.error_code(), grpc::StatusCode::CANCELLED);
  }
  AwaitWaiters("waited", 0);
  EXPECT_EQ(Check("held")->state(), State::HELD);
  EXPECT_TRUE(Record("held", token).ok());
}

TEST_P(SessionTest, HalfClosedGetsAllItsAnswersAndThenTheEnd) {
  const std::uint64_t token = MustAcquire("waited", "holder");
  RawSession session(coordination());
  Frame frame;
  AddAcquire(frame, 1, "free", "a");
  AddAcquire(frame, 2, "waited", "b", 60s);
  session.Send(frame);
  session.HalfClose();
  EXPECT_TRUE(session.Next().acquire_lock().has_grant());
  AwaitWaiters("waited", 1);
  EXPECT_TRUE(Release("waited", token).ok());
  EXPECT_TRUE(session.Next().acquire_lock().has_grant());
  EXPECT_TRUE(session.End().ok());
}

TEST_P(SessionTest, ACallIdInUseEndsTheStreamAndNoLease) {
  RawSession session(coordination());
  Frame frame;
  AddAcquire(frame, 1, "held", "a");
  session.Send(frame);
  EXPECT_TRUE(session.Next().acquire_lock().has_grant());
  Frame twice;
  AddAcquire(twice, 2, "held", "b", 60s);
  AddAcquire(twice, 2, "not-begun", "c");
  session.Send(twice);
  const auto end = session.End();
  EXPECT_EQ(end.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(end.reason(), "CALL_ID_MALFORMED");
  EXPECT_EQ(Check("held")->state(), State::HELD);
  EXPECT_EQ(Check("not-begun")->state(), State::ABSENT);
  AwaitWaiters("held", 0);
}

TEST_P(SessionTest, ACallIdInUseIsInUseForAnEntryThatAsksForNothing) {
  MustAcquire("held", "a");
  RawSession session(coordination());
  Frame frame;
  AddAcquire(frame, 1, "held", "b", 60s);
  session.Send(frame);
  AwaitWaiters("held", 1);
  Frame twice;
  twice.add_calls()->set_call_id(1);
  session.Send(twice);
  EXPECT_EQ(session.End().reason(), "CALL_ID_MALFORMED");
  EXPECT_TRUE(session.answers().empty());
}

TEST_P(SessionTest, TakesAsManyCallsInAFrameAsItMayAndNoMore) {
  {
    RawSession session(coordination());
    Frame frame;
    for (std::uint64_t i = 0; i < 4095; ++i) AddRecord(frame, i, "key", 1);
    AddLease(frame, "key", 1);
    session.Send(frame);
    for (int i = 0; i < 4095; ++i) EXPECT_EQ(ReasonOf(session.Next()), "KEY_UNKNOWN");
    EXPECT_EQ(session.NextHeartbeat().leases_size(), 1);
  }
  RawSession session(coordination());
  Frame frame;
  for (std::uint64_t i = 0; i < 4096; ++i) AddRecord(frame, i, "key", 1);
  AddLease(frame, "key", 1);
  session.Send(frame);
  EXPECT_EQ(session.End().reason(), "FRAME_TOO_LONG");
}

TEST_P(SessionTest, TakesAFrameOfAMebibyteAndNoMore) {
  const auto frame_of = [](std::size_t bytes) {
    Frame frame;
    AddRecord(frame, 1, "key", 1);
    std::string& payload = *frame.mutable_calls(0)->mutable_record_result()->mutable_payload();
    payload.resize(bytes - 64, 'x');
    payload.resize(payload.size() + bytes - frame.ByteSizeLong(), 'x');
    EXPECT_EQ(frame.ByteSizeLong(), bytes);
    return frame;
  };
  {
    RawSession session(coordination());
    session.Send(frame_of(1024 * 1024));
    EXPECT_EQ(ReasonOf(session.Next()), "KEY_UNKNOWN");
  }
  RawSession session(coordination());
  session.Send(frame_of(1024 * 1024 + 1));
  EXPECT_EQ(session.End().reason(), "FRAME_TOO_LONG");
}

TEST_P(SessionTest, AFrameThatDoesNotParseEndsTheStreamAndNoLease) {
  const std::uint64_t token = MustAcquire("held", "a");
  auto channel = grpc::CreateChannel(address(), grpc::InsecureChannelCredentials());
  grpc::GenericStub stub(channel);
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  auto call = stub.PrepareCall(&context, "/latchkey.v1.CoordinationService/Session", &queue);
  const auto done = [&] {
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    return ok;
  };
  call->StartCall(nullptr);
  EXPECT_TRUE(done());
  const grpc::Slice garbage("\xff\xff\xff garbage");
  call->Write(grpc::ByteBuffer(&garbage, 1), nullptr);
  EXPECT_TRUE(done());
  grpc::Status status;
  call->Finish(&status, nullptr);
  EXPECT_TRUE(done());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ErrorInfoOf(status).value_or(google::rpc::ErrorInfo()).reason(), "FRAME_MALFORMED");
  EXPECT_TRUE(Record("held", token).ok());
}

TEST_P(SessionTest, RefusesCallsAboveWhatMayBeUnanswered) {
  StartServer([](ServerOptions& options) { options.limits.session_calls = 10; });
  MustAcquire("key", "holder");
  RawSession session(coordination());
  Frame frame;
  for (std::uint64_t i = 0; i < 11; ++i) {
    AddAcquire(frame, i, "key", "attempt:" + std::to_string(i), 60s);
  }
  session.Send(frame);
  const Answer refused = session.Next();
  EXPECT_EQ(refused.call_id(), 10u);
  EXPECT_EQ(refused.refusal().code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(ReasonOf(refused), "OVERLOADED");
  AwaitWaiters("key", 10);
}

TEST_P(SessionTest, HoldsBackAClientThatDoesNotRead) {
  const std::uint64_t token = MustAcquire("key", "holder");
  ASSERT_TRUE(Record("key", token, [](v1::RecordResultRequest& request) {
                request.set_payload(std::string(60'000, 'x'));
              }).ok());
  RawSession session(coordination());
  // 180 MB of answers, if it were to read on.
  std::atomic<int> written = 0;
  std::thread writer([&] {
    for (std::uint64_t i = 0; i < 300; ++i) {
      Frame frame;
      for (std::uint64_t j = 0; j < 10; ++j) {
        AddAcquire(frame, 10 * i + j, "key", "a");
        // So that the frames, too, are more than what lies on the way.
        frame.mutable_calls(static_cast<int>(j))
            ->mutable_acquire_lock()
            ->set_holder_id(std::string(128, 'h'));
      }
      frame.mutable_heartbeat()->set_heartbeat_id(i);
      if (!session.stream().Write(frame)) return;
      ++written;
    }
  });
  // It does not take all of it. What waits for us in the server is bounded by what it has read.
  const int before = observer().steps();
  Await([&] { return observer().steps() > before; }, "the first frame to be read");
  int seen = -1;
  Await(
      [&] {
        const int now = observer().steps();
        return std::exchange(seen, now) == now && Check("idle").ok() && observer().steps() >= now;
      },
      "the server to hold back");
  EXPECT_LT(observer().steps() - before, 2'700);
  for (int i = 0; i < 3'000; ++i) {
    ASSERT_TRUE(session.Next().acquire_lock().has_completed()) << i;
  }
  writer.join();
  EXPECT_EQ(written, 300);
}

TEST_P(SessionTest, CutsOffAClientThatDoesNotReadForLong) {
  StartServer([](ServerOptions& options) { options.limits.session_unread_max = 1s; });
  const std::uint64_t token = MustAcquire("key", "holder");
  ASSERT_TRUE(Record("key", token, [](v1::RecordResultRequest& request) {
                request.set_payload(std::string(60'000, 'x'));
              }).ok());
  RawSession session(coordination());
  Frame frame;
  for (std::uint64_t i = 0; i < 500; ++i) AddAcquire(frame, i, "key", "a");
  session.Send(frame);
  Await([&] { return !session.stream().Write(Frame()); }, "the session to be cut off");
  EXPECT_EQ(Check("key")->state(), State::COMPLETED);
}

TEST_P(SessionTest, RefusesMoreSessionsThanMayBeOpen) {
  StartServer([](ServerOptions& options) { options.limits.sessions = 2; });
  RawSession first(coordination());
  Frame frame;
  AddAcquire(frame, 1, "key", "a");
  first.Send(frame);
  EXPECT_TRUE(first.Next().acquire_lock().has_grant());
  {
    RawSession second(coordination());
    second.Send(frame);
    EXPECT_TRUE(second.Next().acquire_lock().has_grant());
    RawSession third(coordination());
    const auto end = third.End();
    EXPECT_EQ(end.status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(end.reason(), "OVERLOADED");
    second.HalfClose();
    EXPECT_TRUE(second.End().ok());
  }
  Await(
      [&] {
        RawSession another(coordination());
        another.HalfClose();
        return another.End().ok();
      },
      "there to be room again");
}

TEST_P(SessionTest, ShutdownAnswersItsWaitsAndEndsIt) {
  MustAcquire("key", "holder");
  RawSession session(coordination());
  Frame frame;
  AddAcquire(frame, 1, "key", "a", 60s);
  session.Send(frame);
  AwaitWaiters("key", 1);
  auto stopped = std::async(std::launch::async, [this] { StopServer(); });
  EXPECT_EQ(ReasonOf(session.Next()), "SHUTTING_DOWN");
  const auto end = session.End();
  EXPECT_EQ(end.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(end.reason(), "SHUTTING_DOWN");
  stopped.get();
}

INSTANTIATE_TEST_SUITE_P(Stores, SessionTest, testing::Values("memory", "rocksdb"),
                         [](const auto& parameter) { return std::string(parameter.param); });

}  // namespace
}  // namespace latchkey
