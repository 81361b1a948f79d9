#include "latchkey/testing/fake_service.h"

#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey::testing {
namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""min;
using std::chrono_literals::operator""s;
using ::testing::ElementsAre;
using Status = RunResult::Status;

class FakeServiceTest : public ::testing::Test {
 protected:
  RunResult Pay(const AcquireOptions& options = {}) {
    return client_.RunOnce("order:1", options, [this](Attempt& attempt) {
      ++runs_;
      seen_ = &attempt;
      if (during_) during_(attempt);
      return Succeeded({.provider_reference = "ch_1"});
    });
  }

  FakeService service_;
  Client client_ = service_.Connect({.key_namespace = "shop", .holder_id = "worker"});
  std::function<void(Attempt&)> during_;
  Attempt* seen_ = nullptr;
  int runs_ = 0;
};

TEST_F(FakeServiceTest, RunsNothingThatWasNotScripted) {
  const RunResult run = Pay();
  EXPECT_EQ(run.status, Status::kUnavailable);
  EXPECT_EQ(run.error->reason, "NOT_SCRIPTED");
  EXPECT_EQ(runs_, 0);
}

TEST_F(FakeServiceTest, LetsTheWorkBeDoneAndTellsWhatItRecorded) {
  service_.WillAnswer("order:1", Execute{});
  during_ = [](Attempt& attempt) {
    EXPECT_EQ(attempt.mode(), Mode::kExecute);
    EXPECT_EQ(attempt.recover_action(), RecoverAction::kNone);
    EXPECT_EQ(attempt.downstream_key_remaining(), 24h);
    EXPECT_EQ(attempt.remaining(), 30s);
  };
  const RunResult run = Pay({.fingerprint = "25.00", .downstream_key_ttl = 24h});
  EXPECT_EQ(run.status, Status::kSucceeded);
  EXPECT_FALSE(run.result->late);
  ASSERT_EQ(service_.recorded("order:1").size(), 1u);
  EXPECT_EQ(service_.recorded("order:1")[0].fields().provider_reference, "ch_1");
  ASSERT_EQ(service_.asked("order:1").size(), 1u);
  const Asked asked = service_.asked("order:1")[0];
  EXPECT_EQ(asked.key_namespace, "shop");
  EXPECT_EQ(asked.holder_id, "worker");
  EXPECT_EQ(asked.options.fingerprint, "25.00");
  EXPECT_EQ(client_.CheckResult("order:1")->state, KeyStatus::State::kCompleted);
}

TEST_F(FakeServiceTest, GivesTheProvidersKeyThatTheServiceWouldGive) {
  service_.WillAnswer("order:123", Execute{});
  const auto lease = std::get<Lease>(service_.Connect().AcquireLock("order:123"));
  EXPECT_EQ(lease.downstream_idempotency_key(), "d056976f-8e1b-5e57-8e74-6fd53c58d4c4");
}

TEST_F(FakeServiceTest, LetsTheWorkBeRecovered) {
  service_.WillAnswer("order:1", Recover{.doubt_age = 2min,
                                         .checkpoint = "sent",
                                         .late_outcomes = {{.provider_reference = "ch_0"}},
                                         .attempt_number = 3});
  const RunResult run = client_.RunOnce(
      "order:1", {}, [](Attempt&) { return Unknown(); },
      [](Attempt& attempt) {
        EXPECT_EQ(attempt.recover_action(), RecoverAction::kQueryOnly);
        EXPECT_EQ(attempt.doubt_age(), 2min);
        EXPECT_EQ(attempt.checkpoint(), "sent");
        EXPECT_EQ(attempt.attempt_number(), 3u);
        EXPECT_EQ(attempt.late_outcomes().at(0).provider_reference, "ch_0");
        return NotExecuted().AfterAsking();
      });
  EXPECT_EQ(run.status, Status::kNotExecuted);
  EXPECT_THAT(service_.released("order:1"), ElementsAre(Effect::kRunNotExecuted));
}

TEST_F(FakeServiceTest, ShowsAWindowOfTheProviderThatCloses) {
  service_.WillAnswer("order:1", Recover{.downstream_key_remaining = 1h});
  const auto lease = std::get<Lease>(client_.AcquireLock("order:1"));
  EXPECT_EQ(lease.recover_action(), RecoverAction::kResendSameKey);
  service_.AdvanceTime(1h);
  EXPECT_EQ(lease.recover_action(), RecoverAction::kQueryOnly);
  EXPECT_EQ(lease.state(), LeaseState::kHeld) << "renewed meanwhile";
}

TEST_F(FakeServiceTest, AnswersWhatIsCompletedContendedOrRefused) {
  service_.WillAnswer("order:1", AlreadySucceeded({.provider_reference = "ch_0"}));
  service_.WillAnswer("order:1", AlreadyRejected({.code = "card_declined"}));
  service_.WillAnswer("order:1", Contention{.holder_id = "other", .retry_after = 5s});
  service_.WillAnswer("order:1", Refused("FINGERPRINT_MISMATCH"));
  service_.WillAnswer("order:1", Unavailable());
  const RunResult succeeded = Pay();
  EXPECT_EQ(succeeded.status, Status::kSucceeded);
  EXPECT_TRUE(succeeded.replayed);
  EXPECT_EQ(succeeded.result->provider_reference, "ch_0");
  EXPECT_EQ(Pay().result->code, "card_declined");
  EXPECT_EQ(Pay().contention->holder_id, "other");
  EXPECT_EQ(Pay().status, Status::kRefused);
  EXPECT_EQ(Pay().status, Status::kUnavailable);
  EXPECT_EQ(runs_, 0);
}

TEST_F(FakeServiceTest, RecordsLate) {
  service_.WillAnswer("order:1", Execute{});
  service_.WillRecord("order:1", RecordedLate{});
  EXPECT_TRUE(Pay().result->late);
}

TEST_F(FakeServiceTest, SupersedesWithTheResultOfAnother) {
  service_.WillAnswer("order:1", Execute{});
  service_.WillRecord("order:1",
                      Superseded{.by = AlreadySucceeded({.provider_reference = "ch_2"})});
  const RunResult run = Pay();
  EXPECT_TRUE(run.superseded);
  EXPECT_EQ(run.status, Status::kSucceeded);
  EXPECT_EQ(run.result->provider_reference, "ch_2");
  EXPECT_EQ(run.own->fields().provider_reference, "ch_1");
}

TEST_F(FakeServiceTest, SupersedesBeforeTheOtherHasAResult) {
  service_.WillAnswer("order:1", Execute{});
  service_.WillRecord("order:1", Superseded{});
  const RunResult run = Pay();
  EXPECT_TRUE(run.superseded);
  EXPECT_EQ(run.status, Status::kUnrecorded);
}

TEST_F(FakeServiceTest, AnOutcomeThatWasNotConfirmedIsDeliveredLater) {
  service_.WillAnswer("order:1", Execute{});
  service_.WillRecord("order:1", Unavailable());
  const RunResult run = Pay();
  EXPECT_EQ(run.status, Status::kUnrecorded);
  EXPECT_TRUE(run.delivering);
  EXPECT_EQ(client_.undelivered(), 1u);
  service_.AdvanceTime(1s);
  EXPECT_EQ(client_.undelivered(), 0u);
  EXPECT_EQ(service_.recorded("order:1").size(), 2u);
}

TEST_F(FakeServiceTest, TellsWhoseLeaseIsLost) {
  service_.WillAnswer("order:1", Execute{});
  std::promise<std::string> lost;
  during_ = [&](Attempt& attempt) {
    attempt.OnLost([&](std::string reason) { lost.set_value(std::move(reason)); });
    service_.LoseLease("order:1");
    service_.AdvanceTime(10s);
    EXPECT_EQ(attempt.state(), LeaseState::kLost);
  };
  EXPECT_EQ(Pay().status, Status::kSucceeded) << "what it came to still counts";
  EXPECT_EQ(lost.get_future().get(), "STALE_FENCING_TOKEN");
}

TEST_F(FakeServiceTest, LosesLeasesWhileItIsUnavailable) {
  service_.WillAnswer("order:1", Execute{});
  auto lease = std::get<Lease>(client_.AcquireLock("order:1"));
  service_.SetUnavailable(true);
  service_.AdvanceTime(15s);
  EXPECT_EQ(lease.state(), LeaseState::kUncertain);
  service_.AdvanceTime(15s);
  EXPECT_EQ(lease.state(), LeaseState::kLost);
  EXPECT_EQ(Pay().status, Status::kUnavailable);
  EXPECT_FALSE(client_.CheckResult("order:1").ok());
  EXPECT_FALSE(client_.IssueKey().ok());
  service_.SetUnavailable(false);
  EXPECT_TRUE(client_.CheckResult("order:1").ok());
  EXPECT_NE(*client_.IssueKey(), *client_.IssueKey());
}

TEST_F(FakeServiceTest, KeepsCheckpointsAndMarks) {
  service_.WillAnswer("order:1", Execute{});
  EXPECT_FALSE(service_.checkpoint("order:1"));
  during_ = [](Attempt& attempt) {
    EXPECT_TRUE(attempt.SaveCheckpoint("sent").ok());
    EXPECT_TRUE(attempt.MarkEffectStarted().ok());
    EXPECT_EQ(attempt.checkpoint(), "sent");
  };
  EXPECT_EQ(Pay().status, Status::kSucceeded);
  EXPECT_EQ(service_.checkpoint("order:1"), "sent");
  EXPECT_TRUE(service_.effect_started("order:1"));
}

TEST_F(FakeServiceTest, TellsHowTheLockWasGivenBack) {
  service_.WillAnswer("order:1", Execute{});
  service_.WillAnswer("order:1", Recover{});
  const auto nothing_done = [](Attempt&) { return NotExecuted(); };
  EXPECT_EQ(client_.RunOnce("order:1", {}, nothing_done).status, Status::kNotExecuted);
  EXPECT_EQ(client_.RunOnce("order:1", {}, nothing_done, nothing_done).status, Status::kInDoubt);
  EXPECT_THAT(service_.released("order:1"),
              ElementsAre(Effect::kNotExecuted, Effect::kNotExecuted));
}

TEST_F(FakeServiceTest, SaysWhereAKeyStands) {
  EXPECT_EQ(client_.CheckResult("order:1")->state, KeyStatus::State::kAbsent);
  service_.SetStatus("order:1", {.state = KeyStatus::State::kInDoubt, .holder_id = "other"});
  EXPECT_EQ(client_.CheckResult("order:1")->holder_id, "other");
}

TEST_F(FakeServiceTest, AnswersAsynchronousCallsToo) {
  service_.WillAnswer("order:1", Execute{});
  std::promise<RunResult> promise;
  client_.RunOnceAsync(
      "order:1", {}, [](std::shared_ptr<Attempt>, Callback<Outcome> done) { done(Succeeded({})); },
      nullptr, [&](RunResult run) { promise.set_value(std::move(run)); });
  EXPECT_EQ(promise.get_future().get().status, Status::kSucceeded);
}

TEST_F(FakeServiceTest, AClientMayOutliveIt) {
  std::optional<FakeService> service(std::in_place);
  service->WillAnswer("order:1", Execute{});
  Client client = service->Connect();
  service.reset();
  EXPECT_TRUE(std::holds_alternative<Lease>(client.AcquireLock("order:1")));
}

TEST_F(FakeServiceTest, ACallThatIsStoppedIsNotAnswered) {
  service_.WillAnswer("order:1", Execute{});
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(Pay({.stop = stop.get_token()}).error->reason, "CANCELLED");
  EXPECT_EQ(runs_, 0);
}

}  // namespace
}  // namespace latchkey::testing
