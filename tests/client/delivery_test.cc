// Outcomes outlive the calls that brought them: what goes on in the background, and what a caller
// is told of it.
#include <functional>
#include <optional>
#include <stdexcept>
#include <vector>

#include "client_fixture.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey::inline client::internal {
namespace {

using grpc::StatusCode;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using State = v1::CheckResultResponse;
using Status = RunResult::Status;
using testing::HasSubstr;

class DeliveryTest : public ClientTest {
 protected:
  DeliveryTest() { transport_->record.Always(Gone()); }

  static Play<v1::RecordResultResponse> Gone() {
    return Failing<v1::RecordResultResponse>({StatusCode::UNAVAILABLE, "nobody there", ""});
  }
  RunResult Pay() {
    return Run(Doing(Succeeded({.provider_reference = "pay_1"})), nullptr,
               {.record_timeout = seconds(20)});
  }
};

TEST_F(DeliveryTest, GoesOnAfterTheCallUntilItIsAcknowledged) {
  const RunResult run = Pay();
  EXPECT_EQ(run.status, Status::kUnrecorded);
  EXPECT_TRUE(run.delivering);
  EXPECT_THAT(run.error->message, HasSubstr("nobody there"));
  EXPECT_EQ(client_.undelivered(), 1u);
  runtime_->Advance(hours(3));
  EXPECT_EQ(client_.undelivered(), 1u);
  const std::size_t tries = transport_->record.count();
  EXPECT_GT(tries, 3000u);
  EXPECT_LT(tries, 20000u);
  transport_->record.Always(Recorded);
  runtime_->Advance(seconds(5));
  EXPECT_EQ(client_.undelivered(), 0u);
  const v1::RecordResultRequest last = transport_->record.seen().back();
  EXPECT_EQ(last.fencing_token(), 7u);
  EXPECT_EQ(last.provider_reference(), "pay_1");
  EXPECT_EQ(runtime_->pending(), 0u) << "the lease is over, too";
  EXPECT_EQ(transport_->release.count(), 0u);
}

TEST_F(DeliveryTest, KeepsTheLeaseMeanwhile) {
  EXPECT_TRUE(Pay().delivering);
  const std::size_t renewals = transport_->renew.count();
  runtime_->Advance(minutes(1));
  EXPECT_GE(transport_->renew.count(), renewals + 5);
}

TEST_F(DeliveryTest, EndsWithARefusalToo) {
  for (const char* reason : {"STALE_FENCING_TOKEN", "RESULT_CONFLICT", "KEY_UNKNOWN"}) {
    transport_->record.Always(Gone());
    EXPECT_TRUE(Pay().delivering);
    transport_->record.Always(
        Failing<v1::RecordResultResponse>(Refusal(StatusCode::FAILED_PRECONDITION, reason)));
    runtime_->Advance(seconds(5));
    EXPECT_EQ(client_.undelivered(), 0u) << reason;
    EXPECT_EQ(runtime_->pending(), 0u) << reason;
  }
}

// What the background could not deliver, as it is told.
class UndeliverableTest : public DeliveryTest {
 protected:
  UndeliverableTest() {
    client_ = MakeOther({.on_undeliverable = [this](UndeliverableOutcome lost) {
      told_.push_back(std::move(lost));
    }});
    transport_->record.Always(Gone());
  }
  void Refuse(const char* reason) {
    transport_->record.Always(
        Failing<v1::RecordResultResponse>(Refusal(StatusCode::NOT_FOUND, reason)));
  }

  std::vector<UndeliverableOutcome> told_;
};

TEST_F(UndeliverableTest, ARefusalInTheBackgroundIsToldOnceWithAllThatIsKnown) {
  EXPECT_TRUE(Pay().delivering);
  Refuse("KEY_UNKNOWN");
  runtime_->Advance(minutes(1));
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_EQ(told_[0].key_namespace, "shop/charge");
  EXPECT_EQ(told_[0].key, "order:1");
  EXPECT_EQ(told_[0].fencing_token, 7u);
  EXPECT_EQ(told_[0].outcome->kind(), Outcome::Kind::kSucceeded);
  EXPECT_EQ(told_[0].outcome->fields().provider_reference, "pay_1");
  EXPECT_EQ(told_[0].error.reason, "KEY_UNKNOWN");
}

TEST_F(UndeliverableTest, WhatTheServiceHasHeardIsNot) {
  for (const char* heard : {"STALE_FENCING_TOKEN", "RESULT_CONFLICT"}) {
    transport_->record.Always(Gone());
    EXPECT_TRUE(Pay().delivering);
    Refuse(heard);
    runtime_->Advance(minutes(1));
    EXPECT_EQ(client_.undelivered(), 0u);
  }
  EXPECT_TRUE(told_.empty());
}

TEST_F(UndeliverableTest, WhatSomebodyWaitsForIsNot) {
  Refuse("KEY_UNKNOWN");
  EXPECT_EQ(Pay().error->reason, "KEY_UNKNOWN");
  EXPECT_TRUE(told_.empty());
}

TEST_F(UndeliverableTest, ItIsToldOnTheExecutorAndMayThrow) {
  std::vector<std::function<void()>> queue;
  client_ = MakeOther(
      {.executor = [&](std::function<void()> task) { queue.push_back(std::move(task)); },
       .on_undeliverable = [](const UndeliverableOutcome&) { throw std::runtime_error("boom"); }});
  transport_->record.Always(Gone());
  EXPECT_TRUE(Pay().delivering);
  Refuse("KEY_UNKNOWN");
  EXPECT_NO_THROW(runtime_->Advance(minutes(1)));
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_EQ(client_.undelivered(), 0u);
}

TEST_F(DeliveryTest, AnAcknowledgementOfAnotherOutcomeIsNone) {
  transport_->record.Always([](v1::RecordResultRequest request) {
    request.set_outcome(v1::Result::REJECTED);
    return Recorded(request);
  });
  const RunResult run = Pay();
  EXPECT_EQ(run.status, Status::kUnrecorded);
  EXPECT_TRUE(run.delivering);
  EXPECT_THAT(run.error->message, HasSubstr("another outcome"));
  runtime_->Advance(minutes(1));
  EXPECT_EQ(client_.undelivered(), 1u);
  transport_->record.Always(Recorded);
  runtime_->Advance(minutes(1));
  EXPECT_EQ(client_.undelivered(), 0u);
}

TEST_F(DeliveryTest, CountsThoseThatAreWaitedFor) {
  transport_->record.Always([&](const v1::RecordResultRequest& request) {
    EXPECT_EQ(client_.undelivered(), 1u);
    return Recorded(request);
  });
  EXPECT_EQ(Pay().status, Status::kSucceeded);
  EXPECT_EQ(client_.undelivered(), 0u);
}

TEST_F(DeliveryTest, AboveTheLimitAnOutcomeIsGivenUpWhenItsCallerStopsWaiting) {
  client_ = MakeOther({.undelivered_max = 2});
  transport_->record.Always(Gone());
  EXPECT_TRUE(Pay().delivering);
  EXPECT_TRUE(Pay().delivering);
  const RunResult run = Pay();
  EXPECT_EQ(run.status, Status::kUnrecorded);
  EXPECT_FALSE(run.delivering);
  EXPECT_EQ(run.error->reason, "UNDELIVERED_LIMIT");
  EXPECT_EQ(run.own->fields().provider_reference, "pay_1");
  EXPECT_EQ(client_.undelivered(), 2u);
  EXPECT_EQ(transport_->release.seen().back().effect(), v1::ReleaseRequest::UNKNOWN)
      << "nobody knows the outcome any more, so somebody is to recover";
}

TEST_F(DeliveryTest, MayBeRecordedAgainMeanwhile) {
  Lease lease = AcquireLease({.record_timeout = seconds(1)});
  EXPECT_TRUE(lease.Record(Succeeded({.code = "a"})).delivering);
  transport_->record.Always(Recorded);
  EXPECT_EQ(lease.Record(Succeeded({.code = "a"})).status, RecordAnswer::Status::kRecorded);
  runtime_->Advance(minutes(1));
  EXPECT_EQ(client_.undelivered(), 0u);
  EXPECT_EQ(lease.state_reason(), "RECORDED");
}

// The Lease is dropped while its outcome, or its release, is on its way.
class DroppedEarlyTest : public DeliveryTest {
 protected:
  void RecordAndDrop(Client& client) {
    auto lease = std::get<Lease>(client.AcquireLock("order:1", {.record_timeout = seconds(20)}));
    lease.RecordAsync(Succeeded({}), [this](const RecordAnswer& answer) { answer_ = answer; });
  }

  std::optional<RecordAnswer> answer_;
};

TEST_F(DroppedEarlyTest, NothingIsReleasedThatIsRecorded) {
  transport_->record.Then(Gone());
  transport_->record.Always(Recorded);
  RecordAndDrop(client_);
  runtime_->Advance(seconds(5));
  EXPECT_EQ(answer_.value().status, RecordAnswer::Status::kRecorded);
  EXPECT_EQ(transport_->release.count(), 0u);
  EXPECT_EQ(runtime_->pending(), 0u);
}

TEST_F(DroppedEarlyTest, ARefusedOutcomeReleasesOnce) {
  for (const bool at_once : {true, false}) {
    transport_->record.Always(Gone());
    RecordAndDrop(client_);
    if (!at_once) runtime_->Advance(minutes(1));
    const std::size_t before = transport_->release.count();
    transport_->record.Always(Failing<v1::RecordResultResponse>(
        Refusal(StatusCode::UNAUTHENTICATED, "CREDENTIALS_REQUIRED")));
    runtime_->Advance(minutes(1));
    EXPECT_EQ(answer_.value().delivering, !at_once);
    ASSERT_EQ(transport_->release.count(), before + 1);
    EXPECT_EQ(transport_->release.seen().back().effect(), v1::ReleaseRequest::UNKNOWN);
    EXPECT_EQ(runtime_->pending(), 0u) << "nothing is renewed for nobody";
  }
}

TEST_F(DroppedEarlyTest, AnOutcomeAboveTheLimitReleasesOnce) {
  Client client = MakeOther({.undelivered_max = 0});
  transport_->record.Always(Gone());
  RecordAndDrop(client);
  EXPECT_EQ(transport_->release.count(), 0u);
  runtime_->Advance(minutes(1));
  EXPECT_EQ(answer_.value().error->reason, "UNDELIVERED_LIMIT");
  ASSERT_EQ(transport_->release.count(), 1u);
  EXPECT_EQ(transport_->release.seen().back().effect(), v1::ReleaseRequest::UNKNOWN);
  EXPECT_EQ(runtime_->pending(), 0u);
}

TEST_F(DroppedEarlyTest, ASecondRecordThatIsRefusedDoesNotReleaseTheFirst) {
  {
    Lease lease = AcquireLease({.record_timeout = seconds(5)});
    EXPECT_TRUE(lease.Record(Succeeded({})).delivering);
    transport_->record.Then(Failing<v1::RecordResultResponse>(
        Refusal(StatusCode::INVALID_ARGUMENT, "RETENTION_OUT_OF_RANGE")));
    EXPECT_FALSE(lease.Record(Succeeded({})).delivering);
  }
  transport_->record.Always(Recorded);
  runtime_->Advance(minutes(1));
  EXPECT_EQ(transport_->release.count(), 0u);
  EXPECT_EQ(runtime_->pending(), 0u);
}

TEST_F(DroppedEarlyTest, AReleaseUnderWayIsNotOverruled) {
  AcquireLease().ReleaseAsync(Effect::kNotExecuted, [](const Answer<KeyStatus>&) {});
  runtime_->Advance(minutes(1));
  ASSERT_EQ(transport_->release.count(), 1u);
  EXPECT_EQ(transport_->release.seen().back().effect(), v1::ReleaseRequest::NOT_EXECUTED);
}

TEST_F(DroppedEarlyTest, AReleaseThatNobodyAnswersIsFollowedByUnknown) {
  transport_->release.Always(
      Failing<v1::ReleaseResponse>({StatusCode::UNAVAILABLE, "nobody there", ""}));
  AcquireLease({.record_timeout = seconds(20)})
      .ReleaseAsync(Effect::kNotExecuted, [](const Answer<KeyStatus>&) {});
  runtime_->Advance(seconds(10));
  EXPECT_EQ(transport_->release.seen().back().effect(), v1::ReleaseRequest::NOT_EXECUTED);
  runtime_->Advance(minutes(1));
  EXPECT_EQ(transport_->release.seen().back().effect(), v1::ReleaseRequest::UNKNOWN);
  EXPECT_EQ(runtime_->pending(), 0u);
}

TEST_F(DeliveryTest, GoesWithTheLastHandle) {
  EXPECT_TRUE(Pay().delivering);
  const auto runtime = runtime_;
  client_ = MakeOther({});
  EXPECT_TRUE(runtime->stopped());
  EXPECT_EQ(runtime->pending(), 0u);
}

}  // namespace
}  // namespace latchkey::inline client::internal
