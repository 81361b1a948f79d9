// What is counted of calls, exactly, whatever they come by.

#include "server/machine/proto_time.h"
#include "tests/behaviour/raw_session.h"
#include "tests/metrics/metrics_fixture.h"

namespace latchkey {
namespace {

class CallsMetricsTest : public MetricsTest {
 protected:
  // Over a session the client renews by heartbeats.
  const char* RenewalRpc() const { return over_session() ? "Heartbeat" : "RenewLease"; }
};
RUN_OVER_EVERY_STORE(CallsMetricsTest);

TEST_P(CallsMetricsTest, EveryAcquireIsCountedOnceByItsOutcome) {
  const auto token = MustAcquire("k", "a1");
  EXPECT_EQ(Acquires("execute"), 1);
  EXPECT_TRUE(Acquire("k", "a1")->grant().replayed());
  EXPECT_EQ(Acquires("replayed"), 1);
  EXPECT_TRUE(Acquire("k", "a2")->has_contention());
  EXPECT_EQ(Acquires("contention"), 1);
  EXPECT_EQ(Acquire("", "a3").reason(), "KEY_REQUIRED");
  EXPECT_EQ(Acquires("refused"), 1);
  EXPECT_TRUE(Record("k", token).ok());
  EXPECT_TRUE(Acquire("k", "a4")->has_completed());
  EXPECT_EQ(Acquires("completed"), 1);
  EXPECT_EQ(Acquires("recover"), 0);
  const auto doubtful = MustAcquire("d", "a1");
  EXPECT_TRUE(Release("d", doubtful, v1::ReleaseRequest::UNKNOWN).ok());
  const auto recovered =
      Acquire("d", "a2", [](v1::AcquireLockRequest& request) { request.set_accept_recover(true); });
  EXPECT_EQ(recovered->grant().mode(), v1::Grant::RECOVER);
  EXPECT_EQ(Acquires("recover"), 1);
  EXPECT_EQ(Acquires("execute"), 2);
  EXPECT_EQ(Requests("AcquireLock"), 7) << "each has one outcome";
}

TEST_P(CallsMetricsTest, NamespacesOfTheConfigHaveALabelAndAllOthersShareOne) {
  const auto in = [](const std::string& name_space) {
    return [=](v1::AcquireLockRequest& request) { request.set_namespace_(name_space); };
  };
  const std::size_t samples = Samples().size();
  MustAcquire("k", "a1", in("shop"));
  for (int i = 0; i < 50; ++i) MustAcquire("k", "a1", in("made-up-" + std::to_string(i)));
  EXPECT_EQ(Acquires("execute", "shop"), 1);
  EXPECT_EQ(Acquires("execute", "*"), 50);
  EXPECT_EQ(Records("HELD", "shop"), 1);
  EXPECT_EQ(Records("HELD", "*"), 50);
  // Those of the AcquireLock histogram have come, and none for a namespace.
  EXPECT_EQ(Samples().size(), samples + buckets::kShort.size() + 3);
  EXPECT_EQ(Acquire("k", "a1", in("a\"b\n")).reason(), "NAMESPACE_MALFORMED");
  EXPECT_EQ(Acquires("refused", "*"), 1);
}

TEST_P(CallsMetricsTest, RefusalsAreCountedByCallAndReason) {
  EXPECT_EQ(Renew("k", 1).reason(), "KEY_UNKNOWN");
  EXPECT_EQ(Renew("k", 1).reason(), "KEY_UNKNOWN");
  EXPECT_EQ(Record("", 1).reason(), "KEY_REQUIRED");
  EXPECT_EQ(Refusals(RenewalRpc(), "KEY_UNKNOWN"), 2);
  EXPECT_EQ(Refusals("RecordResult", "KEY_REQUIRED"), 1);
  EXPECT_EQ(Resolve("k", 1, v1::ResolveOutcomeRequest::SUCCEEDED).reason(), "NOT_IN_DOUBT");
  EXPECT_EQ(Refusals("ResolveOutcome", "NOT_IN_DOUBT"), 1);
}

TEST_P(CallsMetricsTest, WatchesThatAreRefusedAreCounted) {
  grpc::ClientContext context;
  v1::WatchRecordsRequest request;
  request.set_key_prefix("a b");
  v1::WatchRecordsResponse response;
  const auto reader = admin().WatchRecords(&context, request);
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Refusals("WatchRecords", "KEY_PREFIX_MALFORMED"), 1);
}

TEST_P(CallsMetricsTest, EveryCallIsTimed) {
  const auto token = MustAcquire("k", "a1");
  EXPECT_TRUE(Renew("k", token).ok());
  EXPECT_EQ(Check("k")->state(), State::HELD);
  EXPECT_TRUE(Record("k", token).ok());
  EXPECT_TRUE(Release("k", token, {}).ok());
  Get("k");
  EXPECT_TRUE(List().ok());
  EXPECT_TRUE(Delete("k", token).ok());
  EXPECT_FALSE(Resolve("k", token, v1::ResolveOutcomeRequest::SUCCEEDED).ok());
  (void)ForceRelease("k", token);
  {
    grpc::ClientContext context;
    v1::IssueKeyResponse issued;
    EXPECT_TRUE(coordination().IssueKey(&context, {}, &issued).ok());
  }
  {
    grpc::ClientContext context;
    v1::GetServerStatusResponse status;
    EXPECT_TRUE(admin().GetServerStatus(&context, {}, &status).ok());
  }
  for (const char* rpc : {"AcquireLock", RenewalRpc(), "CheckResult", "RecordResult", "Release",
                          "GetRecord", "ListRecords", "DeleteRecord", "ResolveOutcome",
                          "ForceRelease", "IssueKey", "GetServerStatus"}) {
    EXPECT_EQ(Requests(rpc), 1) << rpc;
    const std::string labels = std::string("{rpc=\"") + rpc + "\"";
    EXPECT_EQ(Value("latchkey_request_seconds_bucket" + labels + ",le=\"+Inf\"}"), 1) << rpc;
    EXPECT_GT(Value("latchkey_request_seconds_sum" + labels + "}"), 0) << rpc;
  }
}

TEST_P(CallsMetricsTest, WaitsAreCountedWhileTheyLastAndTimedWhenTheyEnd) {
  const auto token = MustAcquire("k", "a1");
  auto waiting = AcquireAsync("k", "a2", [](v1::AcquireLockRequest& request) {
    request.mutable_wait_timeout()->set_seconds(60);
  });
  AwaitWaiters("k", 1);
  EXPECT_EQ(Value("latchkey_waiters"), 1);
  EXPECT_EQ(Value("latchkey_wait_seconds_count"), 0);
  clock().Advance(100ms);
  EXPECT_TRUE(Release("k", token, v1::ReleaseRequest::NOT_EXECUTED).ok());
  EXPECT_TRUE(waiting.get()->has_grant());
  EXPECT_EQ(Value("latchkey_waiters"), 0);
  EXPECT_EQ(Value("latchkey_wait_seconds_count"), 1);
  EXPECT_GE(Value("latchkey_wait_seconds_sum"), 0.1);
  EXPECT_EQ(Acquires("execute"), 2);
}

TEST_P(CallsMetricsTest, RenewalsAreCountedWithWhatWasLeft) {
  const auto token = MustAcquire("k", "a1");
  clock().Advance(400ms);
  EXPECT_TRUE(Renew("k", token).ok());
  EXPECT_EQ(Renew("k", token + 1).reason(), "STALE_FENCING_TOKEN");
  EXPECT_EQ(Value("latchkey_renewal_margin_seconds_count"), 1);
  EXPECT_LE(Value("latchkey_renewal_margin_seconds_sum"), 29.6);
  EXPECT_GT(Value("latchkey_renewal_margin_seconds_sum"), 0);
}

TEST_P(CallsMetricsTest, HeartbeatsAreOneCallAndRefuseByLease) {
  const auto token = MustAcquire("k", "a1");
  const double sessions = over_session() ? 1 : 0;
  EXPECT_EQ(Value("latchkey_sessions"), sessions);
  {
    RawSession session(coordination());
    Frame frame;
    AddLease(frame, "k", token);
    AddLease(frame, "unknown", token);
    session.Send(frame);
    EXPECT_EQ(session.NextHeartbeat().leases_size(), 2);
    EXPECT_EQ(Value("latchkey_sessions"), sessions + 1);
    session.HalfClose();
    EXPECT_TRUE(session.End().ok());
  }
  EXPECT_EQ(Requests("Heartbeat"), 1);
  EXPECT_EQ(Refusals("Heartbeat", "KEY_UNKNOWN"), 1);
  EXPECT_EQ(Value("latchkey_renewal_margin_seconds_count"), 1);
  Await([&] { return Value("latchkey_sessions") == sessions; }, "the session to be gone");
}

TEST_P(CallsMetricsTest, RefusedFramesAreCounted) {
  RawSession session(coordination());
  Frame frame;
  frame.add_calls()->set_call_id(7);
  session.Send(frame);
  EXPECT_EQ(ReasonOf(session.Next()), "CALL_REQUIRED");
  EXPECT_EQ(Refusals("Session", "CALL_REQUIRED"), 1);
  frame.Clear();
  AddAcquire(frame, 8, "k", "a1");
  AddAcquire(frame, 8, "k", "a2");
  session.Send(frame);
  EXPECT_EQ(session.End().reason(), "CALL_ID_MALFORMED");
  EXPECT_EQ(Refusals("Session", "CALL_ID_MALFORMED"), 1);
}

TEST_P(CallsMetricsTest, ACallerThatIsGoneIsNoRefusalOfOurs) {
  MustAcquire("k", "a1");
  RawSession session(coordination());
  Frame frame;
  AddAcquire(frame, 1, "k", "a2", 60s);
  session.Send(frame);
  AwaitWaiters("k", 1);
  session.Break();
  AwaitWaiters("k", 0);
  Await([&] { return Refusals("AcquireLock", "CANCELLED") == 1; }, "the call to be counted");
  EXPECT_EQ(Acquires("refused"), 1);
  EXPECT_EQ(Refusals("Session", "CANCELLED"), 0);
}

}  // namespace
}  // namespace latchkey
