#include "latchkey/testing/in_process_server.h"

#include <future>
#include <optional>

#include <gtest/gtest.h>

namespace latchkey::testing {
namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""min;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using State = KeyStatus::State;
using Status = RunResult::Status;

class InProcessServerTest : public ::testing::Test {
 protected:
  Lease AcquireLease(const AcquireOptions& options = {}) {
    return std::get<Lease>(client_.AcquireLock("order:1", options));
  }
  State StateOf(std::string_view key) { return client_.CheckResult(key)->state; }

  InProcessServer server_;
  Client client_ = server_.Connect();
};

TEST_F(InProcessServerTest, RunsWorkOnce) {
  int runs = 0;
  const auto pay = [&] {
    return client_.RunOnce("order:1", {}, [&](Attempt&) {
      ++runs;
      return Succeeded({.provider_reference = "ch_1"});
    });
  };
  EXPECT_FALSE(pay().replayed);
  EXPECT_TRUE(pay().replayed);
  EXPECT_EQ(runs, 1);
}

TEST_F(InProcessServerTest, ALeaseLapsesWithoutWaiting) {
  const Lease lease = AcquireLease();
  server_.AdvanceTime(29s);
  EXPECT_EQ(StateOf("order:1"), State::kHeld);
  server_.AdvanceTime(2s);
  EXPECT_EQ(StateOf("order:1"), State::kInDoubt);
}

TEST_F(InProcessServerTest, DoubtIsAsOldAsTheTimeThatPassed) {
  const auto begin = std::chrono::steady_clock::now();
  const Lease lapsed = AcquireLease();
  server_.AdvanceTime(10min);
  const Lease recovering = AcquireLease();
  EXPECT_EQ(recovering.mode(), Mode::kRecover);
  const auto age = recovering.doubt_age();
  // Real time passes as well.
  EXPECT_GE(age, 569s);
  EXPECT_LE(age, 570s + (std::chrono::steady_clock::now() - begin));
}

TEST_F(InProcessServerTest, MoreThanALeaseCanLastPassesQuickly) {
  {
    const Lease lapsed = AcquireLease({.downstream_key_ttl = 24h});
    server_.AdvanceTime(20h);
    const Lease recovering = AcquireLease();
    EXPECT_EQ(recovering.recover_action(), RecoverAction::kResendSameKey);
  }
  server_.AdvanceTime(5h);
  EXPECT_EQ(AcquireLease().recover_action(), RecoverAction::kQueryOnly);
}

TEST_F(InProcessServerTest, AResultIsForgottenInTheEnd) {
  EXPECT_EQ(AcquireLease().Record(Succeeded({.payload = "body"})).status,
            RecordAnswer::Status::kRecorded);
  server_.AdvanceTime(73h);
  const auto status = client_.CheckResult("order:1");
  EXPECT_EQ(status->state, State::kCompleted);
  EXPECT_TRUE(status->result->body_expired);
  server_.AdvanceTime(24h * 92);
  EXPECT_EQ(StateOf("order:1"), State::kAbsent);
}

TEST_F(InProcessServerTest, AHolderLearnsThatItsLeaseLapsed) {
  Lease lease = AcquireLease({.lease_duration = 300ms});
  std::promise<std::string> lost;
  lease.OnLost([&](std::string reason) { lost.set_value(std::move(reason)); });
  server_.AdvanceTime(1s);
  EXPECT_NE(lost.get_future().get(), "");
}

TEST_F(InProcessServerTest, AWaiterIsGrantedWhatLapses) {
  const Lease lease = AcquireLease({.on_lapse = OnLapse::kForget});
  Client other = server_.Connect({.holder_id = "waiter"});
  auto waiting = std::async(std::launch::async, [&] {
    return std::holds_alternative<Lease>(other.AcquireLock("order:1", {.wait_timeout = 60s}));
  });
  while (waiting.wait_for(0s) != std::future_status::ready) server_.AdvanceTime(1s);
  EXPECT_TRUE(waiting.get());
}

TEST_F(InProcessServerTest, DroppedRepliesAreAskedForAgain) {
  server_.DropReplies(2);
  Lease lease = AcquireLease();
  EXPECT_EQ(lease.attempt_number(), 1u);
  server_.DropReplies(1);
  EXPECT_EQ(lease.Record(Succeeded({})).status, RecordAnswer::Status::kRecorded);
}

TEST_F(InProcessServerTest, ACallThatGotNoAnswerMayHaveTakenEffect) {
  Lease lease = AcquireLease({.record_timeout = 100ms});
  server_.StopAnswering();
  EXPECT_EQ(lease.Record(Succeeded({.provider_reference = "ch_1"})).status,
            RecordAnswer::Status::kUnrecorded);
  server_.ResumeAnswering();
  EXPECT_EQ(client_.CheckResult("order:1")->result->provider_reference, "ch_1");
}

TEST_F(InProcessServerTest, NothingIsRunWhileItDoesNotAnswer) {
  server_.StopAnswering();
  const RunResult run = client_.RunOnce("order:1", {.acquire_timeout = 100ms}, [](Attempt&) {
    ADD_FAILURE() << "run without having asked";
    return Unknown();
  });
  EXPECT_EQ(run.status, Status::kUnavailable);
}

TEST_F(InProcessServerTest, ServersAreApart) {
  const Lease lease = AcquireLease();
  InProcessServer other;
  EXPECT_NE(other.address(), server_.address());
  EXPECT_EQ(other.Connect().CheckResult("order:1")->state, State::kAbsent);
}

TEST_F(InProcessServerTest, AClientMayOutliveIt) {
  std::optional<InProcessServer> server(std::in_place);
  Client client = server->Connect({.rpc_timeout = 100ms});
  EXPECT_TRUE(client.CheckResult("order:1").ok());
  server.reset();
  EXPECT_FALSE(client.CheckResult("order:1", {.timeout = 100ms}).ok());
}

TEST_F(InProcessServerTest, EndsWithCallsUnderWayAndRepliesHeldBack) {
  std::optional<InProcessServer> server(std::in_place);
  Client client = server->Connect();
  server->StopAnswering();
  auto unanswered = std::async(std::launch::async,
                               [&] { return client.CheckResult("order:1", {.timeout = 1s}).ok(); });
  server.reset();
  (void)unanswered.get();
}

}  // namespace
}  // namespace latchkey::testing
