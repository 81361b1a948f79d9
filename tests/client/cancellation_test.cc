// Stop tokens: what asks or waits ends promptly, the service is told, and no grant leaks.
#include <stop_token>

#include "client_fixture.h"
#include <gtest/gtest.h>

namespace latchkey::inline client::internal {
namespace {

using grpc::StatusCode;
using std::chrono::milliseconds;
using std::chrono::seconds;
using State = v1::CheckResultResponse;
using Status = RunResult::Status;

class CancellationTest : public ClientTest {
 protected:
  AcquireOptions Stoppable(seconds wait = {}) {
    return {.wait_timeout = wait, .stop = source_.get_token()};
  }
  void StopAfter(std::chrono::nanoseconds delay) {
    runtime_->RunAt(runtime_->Now() + delay, [this] { source_.request_stop(); });
  }

  std::stop_source source_;
};

TEST_F(CancellationTest, AWaitForTheLock_EndsAndTheServiceIsTold) {
  transport_->acquire.Always(Contended(seconds(60)));
  const auto began = runtime_->Now();
  StopAfter(seconds(10));
  const Error error = std::get<Error>(client_.AcquireLock("order:1", Stoppable(seconds(60))));
  EXPECT_EQ(error.reason, "CANCELLED");
  EXPECT_EQ(error.kind, Error::Kind::kUnavailable);
  EXPECT_EQ(runtime_->Now() - began, seconds(10));
  ASSERT_EQ(transport_->release.count(), 1u);
  EXPECT_EQ(transport_->release.seen().at(0).attempt_id(),
            transport_->acquire.seen().at(0).attempt_id());
}

TEST_F(CancellationTest, APauseBetweenTries_Ends) {
  transport_->acquire.Always(Failing<v1::AcquireLockResponse>(
      Refusal(StatusCode::UNAVAILABLE, "OVERLOADED", seconds(10))));
  const auto began = runtime_->Now();
  StopAfter(seconds(2));
  EXPECT_EQ(std::get<Error>(client_.AcquireLock("order:1", Stoppable())).reason, "CANCELLED");
  EXPECT_EQ(runtime_->Now() - began, seconds(2));
  EXPECT_EQ(transport_->acquire.count(), 1u);
  runtime_->Advance(seconds(60));
  EXPECT_EQ(transport_->acquire.count(), 1u);
  EXPECT_EQ(runtime_->pending(), 0u);
}

TEST_F(CancellationTest, StoppedBefore_AsksNothing) {
  source_.request_stop();
  EXPECT_EQ(std::get<Error>(client_.AcquireLock("order:1", Stoppable())).reason, "CANCELLED");
  EXPECT_EQ(client_.CheckResult("order:1", {.stop = source_.get_token()}).error().reason,
            "CANCELLED");
  EXPECT_EQ(client_.IssueKey({.stop = source_.get_token()}).error().reason, "CANCELLED");
  EXPECT_EQ(transport_->acquire.count() + transport_->check.count() + transport_->issue.count() +
                transport_->release.count(),
            0u);
}

TEST_F(CancellationTest, AGrantThatComesAllTheSame_IsGivenBackUnused) {
  // The answer comes in the same millisecond, before the cancelled try is heard of.
  StopAfter(milliseconds(1));
  const AcquireAnswer answer = client_.AcquireLock("order:1", Stoppable());
  EXPECT_EQ(std::get<Error>(answer).reason, "CANCELLED");
  ASSERT_EQ(transport_->release.count(), 1u);
  const v1::ReleaseRequest release = transport_->release.seen().at(0);
  EXPECT_EQ(release.fencing_token(), 7u);
  EXPECT_EQ(release.effect(), v1::ReleaseRequest::NOT_EXECUTED);
}

TEST_F(CancellationTest, RunOnce_CancelledBeforeTheGrant_RunsNothing) {
  transport_->acquire.Always(Contended(seconds(60)));
  StopAfter(seconds(1));
  const RunResult run = Run(Doing(Succeeded({})), nullptr, Stoppable(seconds(60)));
  EXPECT_EQ(run.status, Status::kUnavailable);
  EXPECT_EQ(run.error->reason, "CANCELLED");
  EXPECT_EQ(runs_, 0);
}

TEST_F(CancellationTest, RunOnce_CancelledWhileTheWorkRuns_IsRecordedAllTheSame) {
  const Work work = [&](Attempt& attempt) {
    EXPECT_FALSE(attempt.stop_token().stop_requested());
    source_.request_stop();
    EXPECT_TRUE(attempt.stop_token().stop_requested());
    EXPECT_TRUE(attempt.SaveCheckpoint("asked to stop").ok());
    return Succeeded({});
  };
  EXPECT_EQ(Run(work, nullptr, Stoppable()).status, Status::kSucceeded);
}

TEST_F(CancellationTest, CheckResultAndIssueKey_End) {
  transport_->check.Always(Lost<v1::CheckResultResponse>());
  transport_->issue.Always(Lost<v1::IssueKeyResponse>());
  const auto began = runtime_->Now();
  StopAfter(seconds(1));
  const Answer<KeyStatus> status =
      client_.CheckResult("order:1", {.wait_timeout = seconds(60), .stop = source_.get_token()});
  EXPECT_EQ(status.error().reason, "CANCELLED");
  source_ = {};
  StopAfter(seconds(1));
  EXPECT_EQ(client_.IssueKey({.stop = source_.get_token()}).error().reason, "CANCELLED");
  EXPECT_EQ(runtime_->Now() - began, seconds(2));
}

TEST_F(CancellationTest, TheWaitForSomebodyElsesResult_Ends) {
  Lease lease = AcquireLease(Stoppable(seconds(60)));
  transport_->record.Always(Failing<v1::RecordResultResponse>(
      Refusal(StatusCode::FAILED_PRECONDITION, "STALE_FENCING_TOKEN")));
  transport_->check.Always(Lost<v1::CheckResultResponse>());
  const auto began = runtime_->Now();
  StopAfter(seconds(1));
  const RecordAnswer answer = lease.Record(Succeeded({}));
  EXPECT_EQ(answer.status, RecordAnswer::Status::kSuperseded);
  EXPECT_FALSE(answer.stored);
  EXPECT_EQ(runtime_->Now() - began, seconds(1));
}

TEST_F(CancellationTest, ATokenUsedAfterTheEnd_ChangesNothing) {
  const Lease lease = AcquireLease(Stoppable());
  source_.request_stop();
  runtime_->Advance(seconds(60));
  EXPECT_EQ(lease.state(), LeaseState::kHeld);
  EXPECT_EQ(transport_->release.count(), 0u);
}

}  // namespace
}  // namespace latchkey::inline client::internal
