// What is an answer, what is tried again, for how long, and at what pace.
#include <set>

#include "client_fixture.h"
#include <gtest/gtest.h>

namespace latchkey::inline client::internal {
namespace {

using grpc::StatusCode;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using State = v1::CheckResultResponse;

// One status of the table in the contract: what each kind of call makes of it.
struct Case {
  const char* name;
  CallStatus status;
  bool is_answer;        // Taken as a refusal by every call.
  bool acquire_retries;  // Before the effect: what broke on the way.
  bool record_retries;   // After it: everything that is no answer.
};

CallStatus Bare(StatusCode code) { return {code, "bare", ""}; }

std::vector<Case> Cases() {
  std::vector<Case> cases;
  const auto answer = [&](const char* name, StatusCode code, const char* reason) {
    cases.push_back({name, Refusal(code, reason), true, false, false});
  };
  answer("InvalidArgument", StatusCode::INVALID_ARGUMENT, "KEY_MALFORMED");
  answer("FailedPrecondition", StatusCode::FAILED_PRECONDITION, "KEY_EXPIRED");
  answer("NotFound", StatusCode::NOT_FOUND, "KEY_UNKNOWN");
  answer("PermissionDenied", StatusCode::PERMISSION_DENIED, "PERMISSION_DENIED");
  answer("Unauthenticated", StatusCode::UNAUTHENTICATED, "CREDENTIALS_REQUIRED");
  answer("DataLoss", StatusCode::DATA_LOSS, "RECORD_CORRUPT");
  const auto broken = [&](const char* name, CallStatus status) {
    cases.push_back({name, std::move(status), false, true, true});
  };
  broken("Unavailable", Bare(StatusCode::UNAVAILABLE));
  broken("Overloaded", Refusal(StatusCode::UNAVAILABLE, "OVERLOADED", milliseconds(10)));
  broken("ShuttingDown", Refusal(StatusCode::UNAVAILABLE, "SHUTTING_DOWN"));
  broken("TimeOut", Bare(StatusCode::DEADLINE_EXCEEDED));
  broken("ResetCancelled", Bare(StatusCode::CANCELLED));
  broken("ResetInternal", Bare(StatusCode::INTERNAL));
  broken("ResetUnknown", Bare(StatusCode::UNKNOWN));
  const auto neither = [&](const char* name, CallStatus status) {
    cases.push_back({name, std::move(status), false, false, true});
  };
  neither("WaitersLimit", Refusal(StatusCode::RESOURCE_EXHAUSTED, "WAITERS_LIMIT"));
  neither("StorageFull", Refusal(StatusCode::RESOURCE_EXHAUSTED, "STORAGE_FULL"));
  neither("MessageTooLarge", Bare(StatusCode::RESOURCE_EXHAUSTED));
  neither("Superseded", Refusal(StatusCode::ABORTED, "SUPERSEDED_BY_RETRY"));
  neither("Unimplemented", Bare(StatusCode::UNIMPLEMENTED));
  neither("BareFailedPrecondition", Bare(StatusCode::FAILED_PRECONDITION));
  neither("BareInvalidArgument", Bare(StatusCode::INVALID_ARGUMENT));
  neither("BareUnauthenticated", Bare(StatusCode::UNAUTHENTICATED));
  neither("ForeignDomain",
          Refusal(StatusCode::FAILED_PRECONDITION, "KEY_EXPIRED", {}, "proxy.example"));
  return cases;
}

class StatusTest : public ClientTest, public testing::WithParamInterface<Case> {};

TEST_P(StatusTest, AcquireLock) {
  transport_->acquire.Then(Failing<v1::AcquireLockResponse>(GetParam().status));
  AcquireAnswer acquired = client_.AcquireLock("order:1");
  if (GetParam().acquire_retries) {
    EXPECT_TRUE(std::holds_alternative<Lease>(acquired));
    return;
  }
  const Error& error = std::get<Error>(acquired);
  EXPECT_EQ(error.kind == Error::Kind::kRefused, GetParam().is_answer);
  EXPECT_EQ(transport_->acquire.count(), 1u);
  runtime_->Advance(milliseconds(1));
  // Without an answer the attempt may wait or hold unseen: it is ended.
  ASSERT_EQ(transport_->release.count(), GetParam().is_answer ? 0u : 1u);
  if (GetParam().is_answer) return;
  const v1::ReleaseRequest release = transport_->release.seen().at(0);
  EXPECT_EQ(release.attempt_id(), transport_->acquire.seen().at(0).attempt_id());
  EXPECT_EQ(release.fencing_token(), 0u);
  EXPECT_EQ(release.key(), "order:1");
  EXPECT_EQ(release.namespace_(), "shop/charge");
}

TEST_P(StatusTest, RecordResult) {
  Lease lease = AcquireLease();
  transport_->record.Then(Failing<v1::RecordResultResponse>(GetParam().status));
  const RecordAnswer answer = lease.Record(Succeeded({}));
  EXPECT_EQ(answer.status == RecordAnswer::Status::kRecorded, GetParam().record_retries);
  EXPECT_EQ(transport_->record.count(), GetParam().record_retries ? 2u : 1u);
}

TEST_P(StatusTest, Release) {
  Lease lease = AcquireLease();
  transport_->release.Then(Failing<v1::ReleaseResponse>(GetParam().status));
  EXPECT_EQ(lease.Release(Effect::kNotExecuted).ok(), GetParam().record_retries);
}

TEST_P(StatusTest, RenewLease) {
  Lease lease = AcquireLease();
  transport_->renew.Then(Failing<v1::RenewLeaseResponse>(GetParam().status));
  EXPECT_EQ(lease.MarkEffectStarted().ok(), GetParam().acquire_retries);
}

TEST_P(StatusTest, CheckResult) {
  transport_->check.Then(Failing<v1::CheckResultResponse>(GetParam().status));
  transport_->check.Always(Checked(State::ABSENT));
  EXPECT_EQ(client_.CheckResult("order:1").ok(), GetParam().acquire_retries);
}

TEST_P(StatusTest, IssueKey) {
  Play<v1::IssueKeyResponse> issued;
  issued.response.set_key("0190");
  transport_->issue.Then(Failing<v1::IssueKeyResponse>(GetParam().status));
  transport_->issue.Always(issued);
  const Answer<std::string> key = client_.IssueKey();
  EXPECT_EQ(key.ok(), GetParam().acquire_retries);
  if (key.ok()) {
    EXPECT_EQ(*key, "0190");
  }
}

INSTANTIATE_TEST_SUITE_P(Statuses, StatusTest, testing::ValuesIn(Cases()),
                         [](const auto& param) { return std::string(param.param.name); });

class RetryTest : public ClientTest {
 protected:
  void FailAlways(CallStatus status) {
    transport_->acquire.Always(Failing<v1::AcquireLockResponse>(std::move(status)));
  }
};

TEST_F(RetryTest, Pauses_DoubleUpToTheMaximumWithFullJitter) {
  Backoff longest(milliseconds(50), seconds(2));
  Backoff shortest(milliseconds(50), seconds(2));
  const auto bound_after = [&](int tries) {
    return std::min<nanoseconds>(milliseconds(50) * (1 << tries), seconds(2));
  };
  for (int i = 0; i < 10; ++i) {
    const nanoseconds bound = bound_after(i);
    EXPECT_EQ(longest.Next(static_cast<std::uint64_t>(bound.count())), bound);
    EXPECT_EQ(shortest.Next(0), nanoseconds(0));
  }
  longest.Reset();
  EXPECT_LE(longest.Next(12345678901234567), milliseconds(50));
}

TEST_F(RetryTest, Pauses_AreNeverShorterThanTheServiceAsks) {
  FailAlways(Refusal(StatusCode::UNAVAILABLE, "OVERLOADED", seconds(4)));
  const auto began = runtime_->Now();
  EXPECT_TRUE(std::holds_alternative<Error>(client_.AcquireLock("k")));
  EXPECT_EQ(transport_->acquire.count(), 4u) << "at 0, 4, 8 and 12 of 15 s";
  EXPECT_LE(runtime_->Now() - began, seconds(15));
}

TEST_F(RetryTest, AcquireTimeout_BoundsTheWhole) {
  transport_->acquire.Always(Lost<v1::AcquireLockResponse>());
  const auto began = runtime_->Now();
  AcquireAnswer acquired = client_.AcquireLock("k", {.acquire_timeout = seconds(12)});
  EXPECT_TRUE(std::holds_alternative<Error>(acquired));
  EXPECT_LE(runtime_->Now() - began, seconds(12));
  for (const auto timeout : transport_->acquire.timeouts()) EXPECT_LE(timeout, seconds(5));
  EXPECT_GE(transport_->acquire.count(), 3u);
}

TEST_F(RetryTest, EndedAttempt_IsNoRefusalOfTheWork) {
  FailAlways(Refusal(StatusCode::FAILED_PRECONDITION, "ATTEMPT_ENDED"));
  const Error error = std::get<Error>(client_.AcquireLock("k"));
  EXPECT_EQ(error.kind, Error::Kind::kUnavailable);
  EXPECT_EQ(error.reason, "ATTEMPT_ENDED");
  EXPECT_EQ(transport_->acquire.count(), 1u);
}

TEST_F(RetryTest, AWait_HasADeadlineBeyondIt) {
  transport_->acquire.Always(Contended(seconds(40)));
  AcquireAnswer acquired = client_.AcquireLock("k", {.wait_timeout = seconds(40)});
  EXPECT_TRUE(std::holds_alternative<Contention>(acquired));
  ASSERT_EQ(transport_->acquire.count(), 1u);
  EXPECT_EQ(transport_->acquire.seen().at(0).wait_timeout().seconds(), 40);
  EXPECT_EQ(transport_->acquire.timeouts().at(0), seconds(45));
}

TEST_F(RetryTest, AWaitOfMoreThanAMinute_IsSeveralCallsOfOneAttempt) {
  transport_->acquire.Always([&](const v1::AcquireLockRequest& request) {
    GrantPlay play = Contended(seconds(request.wait_timeout().seconds()));
    return play;
  });
  const auto began = runtime_->Now();
  AcquireAnswer acquired = client_.AcquireLock("k", {.wait_timeout = seconds(150)});
  EXPECT_TRUE(std::holds_alternative<Contention>(acquired));
  EXPECT_EQ(runtime_->Now() - began, seconds(150));
  const auto calls = transport_->acquire.seen();
  ASSERT_EQ(calls.size(), 3u);
  EXPECT_EQ(calls[0].wait_timeout().seconds(), 60);
  EXPECT_EQ(calls[1].wait_timeout().seconds(), 60);
  EXPECT_EQ(calls[2].wait_timeout().seconds(), 30);
  EXPECT_EQ(calls[2].attempt_id(), calls[0].attempt_id());
}

TEST_F(RetryTest, AServiceThatDoesNotWait_IsNotCalledInALoop) {
  transport_->acquire.Always(Contended());
  EXPECT_TRUE(
      std::holds_alternative<Contention>(client_.AcquireLock("k", {.wait_timeout = minutes(10)})));
  EXPECT_EQ(transport_->acquire.count(), 10u);
}

TEST_F(RetryTest, AWaitThatBreaks_GoesOnForWhatIsLeftOfIt) {
  GrantPlay broken = Failing<v1::AcquireLockResponse>({StatusCode::UNAVAILABLE, "reset", ""});
  broken.delay = seconds(20);
  transport_->acquire.Then(broken);
  runtime_->set_random([] { return 0; });
  EXPECT_TRUE(
      std::holds_alternative<Lease>(client_.AcquireLock("k", {.wait_timeout = seconds(30)})));
  EXPECT_EQ(transport_->acquire.seen().at(1).wait_timeout().seconds(), 10);
}

TEST_F(RetryTest, CheckResult_WaitsLikewiseAndStopsAtCompletion) {
  transport_->check.Then([] {
    auto play = Checked(State::HELD);
    play.delay = seconds(60);
    return play;
  }());
  transport_->check.Then(Checked(State::COMPLETED, "pay_1"));
  const Answer<KeyStatus> status =
      client_.CheckResult("k", {.fingerprint = "f", .wait_timeout = minutes(3)});
  EXPECT_EQ(status->state, KeyStatus::State::kCompleted);
  EXPECT_EQ(status->result->provider_reference, "pay_1");
  EXPECT_EQ(transport_->check.count(), 2u);
  EXPECT_EQ(transport_->check.seen().at(0).fingerprint(), "f");
}

TEST_F(RetryTest, CheckResult_TellsEveryState) {
  const std::vector<std::pair<State::State, KeyStatus::State>> states = {
      {State::ABSENT, KeyStatus::State::kAbsent},
      {State::HELD, KeyStatus::State::kHeld},
      {State::IN_DOUBT, KeyStatus::State::kInDoubt},
      {State::COMPLETED, KeyStatus::State::kCompleted}};
  for (const auto& [sent, told] : states) {
    transport_->check.Then(Checked(sent));
    EXPECT_EQ(client_.CheckResult("k")->state, told);
  }
  transport_->check.Then(Checked(State::STATE_UNSPECIFIED));
  EXPECT_FALSE(client_.CheckResult("k").ok());
}

TEST_F(RetryTest, AbsurdOptions_StayDefined) {
  for (const auto absurd : {nanoseconds::max(), nanoseconds::min(), nanoseconds(-1)}) {
    client_ = MakeOther({.backoff_min = absurd, .backoff_max = absurd});
    const AcquireOptions options{.lease_duration = absurd,
                                 .wait_timeout = absurd,
                                 .acquire_timeout = absurd,
                                 .record_timeout = absurd};
    transport_->acquire.Then(
        Failing<v1::AcquireLockResponse>(Refusal(StatusCode::INVALID_ARGUMENT, "ANY")));
    transport_->check.Then(
        Failing<v1::CheckResultResponse>(Refusal(StatusCode::INVALID_ARGUMENT, "ANY")));
    EXPECT_TRUE(std::holds_alternative<Error>(client_.AcquireLock("k", options)));
    EXPECT_FALSE(client_.CheckResult("k", {.wait_timeout = absurd, .timeout = absurd}).ok());
    // A service that grants all the same; without any time for the answer it is not heard.
    AcquireAnswer answer = client_.AcquireLock("k", options);
    runtime_->Advance(minutes(1));
    Lease* const lease = std::get_if<Lease>(&answer);
    EXPECT_EQ(lease != nullptr, absurd > nanoseconds(0));
    if (lease == nullptr) continue;
    EXPECT_TRUE(lease->Record(Succeeded({})).stored);
  }
}

TEST_F(RetryTest, AttemptIds_AreRandomUuids) {
  transport_->acquire.Always(Contended());
  std::set<std::string> ids;
  for (int i = 0; i < 100; ++i) (void)client_.AcquireLock("k");
  for (const auto& call : transport_->acquire.seen()) ids.insert(call.attempt_id());
  EXPECT_EQ(ids.size(), 100u);
  for (const std::string& id : ids) {
    ASSERT_EQ(id.size(), 36u);
    EXPECT_EQ(id[14], '4');
    EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos);
  }
}

}  // namespace
}  // namespace latchkey::inline client::internal
