#include "latchkey/recovery.h"

#include <atomic>
#include <thread>

#include "latchkey/testing/fake_service.h"
#include "latchkey/testing/in_process_server.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey {
namespace {

// NOLINTBEGIN(misc-unused-using-decls): the check does not see them used in literals.
using std::chrono_literals::operator""h;
using std::chrono_literals::operator""min;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""ns;
using std::chrono_literals::operator""s;
// NOLINTEND(misc-unused-using-decls)
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Status = RunResult::Status;
using testing::Execute;
using testing::Recover;

LateOutcome Late(std::uint64_t token, StoredResult::Outcome outcome, std::string reference) {
  return {.fencing_token = token, .outcome = outcome, .provider_reference = std::move(reference)};
}
LateOutcome LateSuccess(std::uint64_t token, std::string reference = "ch_0") {
  return Late(token, StoredResult::Outcome::kSucceeded, std::move(reference));
}
LateOutcome LateRejection(std::uint64_t token) {
  return Late(token, StoredResult::Outcome::kRejected, "");
}

class RecoveryTest : public ::testing::Test {
 protected:
  // A request to the provider.
  Work Send() {
    return [this](Attempt& attempt) {
      sent_.push_back(attempt.downstream_idempotency_key());
      return Succeeded({.provider_reference = "ch_1"});
    };
  }
  // A question to the provider, answered with the next of `answers`; the last one again and again.
  Ask Asking(std::vector<std::optional<Outcome>> answers) {
    return [this, answers = std::move(answers)](Attempt&) {
      return answers[std::min<std::size_t>(asked_++, answers.size() - 1)];
    };
  }
  RunResult Run(testing::AcquireScript granted, const Work& create, const Work& recover = nullptr,
                const AcquireOptions& options = {}) {
    service_.WillAnswer("order:1", std::move(granted));
    return client_.RunOnce("order:1", options, create, recover);
  }
  RunResult RunRecovery(Recover granted, const Work& recover, const AcquireOptions& options = {}) {
    return Run(
        std::move(granted),
        [](Attempt&) {
          ADD_FAILURE() << "create was called";
          return Unknown();
        },
        recover, options);
  }

  testing::FakeService service_;
  Client client_ = service_.Connect();
  std::vector<std::string> sent_;
  std::atomic<std::size_t> asked_ = 0;
};

TEST_F(RecoveryTest, SendsWhileTheLeaseCoversTheCall) {
  const RunResult run = Run(Execute{}, SendWithin(10s, Send()), nullptr, {.lease_duration = 10s});
  EXPECT_EQ(run.status, Status::kSucceeded);
  EXPECT_EQ(sent_.size(), 1u);
}

TEST_F(RecoveryTest, SendsNothingWhenTooLittleOfTheLeaseIsLeft) {
  const RunResult run =
      Run(Execute{}, SendWithin(10s + 1ns, Send()), nullptr, {.lease_duration = 10s});
  EXPECT_EQ(run.status, Status::kNotExecuted);
  EXPECT_THAT(sent_, IsEmpty());
}

TEST_F(RecoveryTest, AsTheOnlyWorkResendsWhileTheWindowCoversTheCall) {
  const RunResult run =
      Run(Recover{.downstream_key_remaining = 10s + 1ns}, SendWithin(10s, Send()));
  EXPECT_EQ(run.status, Status::kSucceeded);
  EXPECT_EQ(sent_.size(), 1u);
}

TEST_F(RecoveryTest, AsTheOnlyWorkResendsNothingWhenTheWindowMayCloseMeanwhile) {
  const RunResult run = Run(Recover{.downstream_key_remaining = 10s}, SendWithin(10s, Send()));
  EXPECT_EQ(run.status, Status::kInDoubt);
  EXPECT_THAT(service_.released("order:1"), ElementsAre(Effect::kUnknown));
  EXPECT_THAT(sent_, IsEmpty());
}

TEST_F(RecoveryTest, ResendsTheSameKeyInsideTheWindow) {
  const RunResult run =
      RunRecovery({.downstream_key_remaining = 10s + 1ns}, ResendSameKey(10s, Send()));
  EXPECT_EQ(run.status, Status::kSucceeded);
  EXPECT_TRUE(run.recovered);
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_EQ(sent_[0].size(), 36u);
}

TEST_F(RecoveryTest, DoesNotResendWhenTheWindowMayCloseMeanwhile) {
  const RunResult run = RunRecovery({.downstream_key_remaining = 10s}, ResendSameKey(10s, Send()));
  EXPECT_EQ(run.status, Status::kInDoubt);
  EXPECT_EQ(run.own->kind(), Outcome::Kind::kUnknown);
  EXPECT_THAT(sent_, IsEmpty());
}

TEST_F(RecoveryTest, DoesNotResendWhenTooLittleOfTheLeaseIsLeft) {
  const RunResult run = RunRecovery({.downstream_key_remaining = 1h}, ResendSameKey(20s, Send()),
                                    {.lease_duration = 10s});
  EXPECT_EQ(run.status, Status::kInDoubt);
  EXPECT_THAT(service_.released("order:1"), ElementsAre(Effect::kNotExecuted));
  EXPECT_THAT(sent_, IsEmpty());
}

TEST_F(RecoveryTest, AsksWhenTheWindowIsOver) {
  const auto recover =
      ResendSameKey(10s, Send(), AskProvider(1min, Asking({Succeeded({.code = "found"})})));
  EXPECT_EQ(RunRecovery({}, recover).result->code, "found");
  EXPECT_THAT(sent_, IsEmpty());
}

TEST_F(RecoveryTest, WhatTheProviderTellsIsTheOutcome) {
  EXPECT_EQ(RunRecovery({}, AskProvider(1min, Asking({Succeeded({})}))).status, Status::kSucceeded);
  EXPECT_EQ(RunRecovery({}, AskProvider(1min, Asking({Rejected({})}))).status, Status::kRejected);
  EXPECT_EQ(RunRecovery({}, AskProvider(1min, Asking({Unknown()}))).status, Status::kInDoubt);
  EXPECT_EQ(
      RunRecovery({}, AskProvider(1min, Asking({NotExecuted("dropped").AfterAsking()}))).status,
      Status::kNotExecuted);
  EXPECT_EQ(asked_, 4u);
}

TEST_F(RecoveryTest, NotFoundCountsAfterTheQuarantine) {
  const RunResult run =
      RunRecovery({.doubt_age = 1min + 1ns}, AskProvider(1min, Asking({std::nullopt})));
  EXPECT_EQ(run.status, Status::kNotExecuted);
  EXPECT_THAT(service_.released("order:1"), ElementsAre(Effect::kRunNotExecuted));
  EXPECT_EQ(asked_, 1u);
}

// Lets time pass until it is destroyed.
class Passing {
 public:
  explicit Passing(testing::FakeService& service)
      : thread_([&service](const std::stop_token& stop) {
          while (!stop.stop_requested()) {
            service.AdvanceTime(5s);
            std::this_thread::yield();
          }
        }) {}

 private:
  std::jthread thread_;
};

TEST_F(RecoveryTest, WaitsTheQuarantineOutAndAsksAgain) {
  std::optional<Passing> passing;
  std::chrono::nanoseconds doubt_age = {};
  const Ask ask = [&](Attempt& attempt) -> std::optional<Outcome> {
    ++asked_;
    passing.emplace(service_);
    doubt_age = attempt.doubt_age();
    return std::nullopt;
  };
  const RunResult run = RunRecovery({.doubt_age = 1min}, AskProvider(1min, ask));
  EXPECT_EQ(run.status, Status::kNotExecuted);
  EXPECT_EQ(asked_, 2u);
  EXPECT_GT(doubt_age, 1min);
}

TEST_F(RecoveryTest, WhatTurnsUpInTheQuarantineIsTheOutcome) {
  std::optional<Passing> passing;
  const Ask ask = [&](Attempt&) -> std::optional<Outcome> {
    if (++asked_ > 1) return Succeeded({.provider_reference = "ch_1"});
    passing.emplace(service_);
    return std::nullopt;
  };
  const RunResult run = RunRecovery({}, AskProvider(1min, ask));
  ASSERT_EQ(run.status, Status::kSucceeded);
  EXPECT_EQ(run.result->provider_reference, "ch_1");
}

TEST_F(RecoveryTest, AQuarantineThatIsStoppedLeavesDoubt) {
  // The longest one is for providers whose "not found" never counts.
  for (const auto quarantine : {std::chrono::nanoseconds(1min), std::chrono::nanoseconds::max()}) {
    std::stop_source stop;
    std::size_t asked = 0;
    const Ask ask = [&](Attempt&) -> std::optional<Outcome> {
      ++asked;
      stop.request_stop();
      return std::nullopt;
    };
    const RunResult run = RunRecovery({}, AskProvider(quarantine, ask), {.stop = stop.get_token()});
    EXPECT_EQ(run.status, Status::kInDoubt);
    EXPECT_EQ(asked, 1u);
  }
}

TEST_F(RecoveryTest, AQuarantineInWhichTheLeaseIsLostLeavesDoubt) {
  const Ask ask = [&](Attempt&) -> std::optional<Outcome> {
    ++asked_;
    service_.LoseLease("order:1");
    service_.AdvanceTime(30s);
    return std::nullopt;
  };
  EXPECT_EQ(RunRecovery({}, AskProvider(1min, ask)).own->kind(), Outcome::Kind::kUnknown);
  EXPECT_EQ(asked_, 1u);
}

TEST_F(RecoveryTest, LeavesInDoubtWhatNobodyCanFindOut) {
  const RunResult run = RunRecovery({.doubt_age = 1h}, LeaveInDoubt());
  EXPECT_EQ(run.status, Status::kInDoubt);
  EXPECT_THAT(service_.released("order:1"), ElementsAre(Effect::kUnknown));
}

TEST_F(RecoveryTest, EvidenceComesFirstWhateverTheProvider) {
  const Recover proven{.downstream_key_remaining = 1h, .late_outcomes = {LateSuccess(1)}};
  const Ask never = [](Attempt&) -> std::optional<Outcome> {
    ADD_FAILURE() << "asked what was known";
    return std::nullopt;
  };
  for (const Work& recover :
       {ResendSameKey(10s, Send()), AskProvider(1min, never), LeaveInDoubt()}) {
    const RunResult run = RunRecovery(proven, recover);
    EXPECT_EQ(run.status, Status::kSucceeded);
    EXPECT_EQ(run.result->provider_reference, "ch_0");
  }
  EXPECT_THAT(sent_, IsEmpty());
}

class LateOutcomesTest : public RecoveryTest {
 protected:
  std::optional<Outcome> Judge(std::vector<LateOutcome> late) {
    service_.WillAnswer("order:2", Recover{.late_outcomes = std::move(late)});
    const auto lease = std::get<Lease>(client_.AcquireLock("order:2"));
    return OutcomeFromLateOutcomes(lease);
  }
};

TEST_F(LateOutcomesTest, NoneProveNothing) { EXPECT_FALSE(Judge({})); }

TEST_F(LateOutcomesTest, OneSuccessIsEnough) {
  EXPECT_EQ(Judge({LateSuccess(1)})->kind(), Outcome::Kind::kSucceeded);
  EXPECT_EQ(Judge({LateSuccess(1), LateSuccess(2)})->fields().provider_reference, "ch_0");
}

TEST_F(LateOutcomesTest, RejectionsProveNothing) {
  EXPECT_FALSE(Judge({LateRejection(1)}));
  EXPECT_FALSE(Judge({LateRejection(1), LateRejection(2)}));
}

TEST_F(LateOutcomesTest, ARejectionDoesNotUndoASuccess) {
  EXPECT_EQ(Judge({LateSuccess(1), LateRejection(2)})->kind(), Outcome::Kind::kSucceeded);
  EXPECT_EQ(Judge({LateRejection(1), LateSuccess(2)})->kind(), Outcome::Kind::kSucceeded);
}

TEST_F(LateOutcomesTest, DifferentSuccessesAreForAPerson) {
  EXPECT_EQ(Judge({LateSuccess(1), LateRejection(2), LateSuccess(3, "ch_9")})->kind(),
            Outcome::Kind::kUnknown);
}

// With the real server: what it says of doubt, windows and late outcomes fits.
class RecoveryWithServerTest : public RecoveryTest {
 protected:
  // Leaves the key behind as a holder does that vanished after it may have sent.
  void Vanish(AcquireOptions options) {
    options.lease_duration = 30s;
    const auto vanished = server_.Connect().AcquireLock("order:1", options);
    server_.AdvanceTime(31s);
  }
  RunResult RunOnServer(const Work& recover) {
    return server_.Connect().RunOnce("order:1", {.downstream_key_ttl = 24h},
                                     SendWithin(10s, Send()), recover);
  }
  testing::InProcessServer server_;
};

TEST_F(RecoveryWithServerTest, ResendsInTheWindowAndNotAfterIt) {
  Vanish({.downstream_key_ttl = 24h});
  server_.AdvanceTime(25h);
  EXPECT_EQ(RunOnServer(ResendSameKey(10s, Send())).status, Status::kInDoubt);
  EXPECT_THAT(sent_, IsEmpty());
}

TEST_F(RecoveryWithServerTest, ResendsTheSameKey) {
  Vanish({.downstream_key_ttl = 24h});
  EXPECT_EQ(RunOnServer(ResendSameKey(10s, Send())).status, Status::kSucceeded);
  EXPECT_EQ(sent_.size(), 1u);
}

TEST_F(RecoveryWithServerTest, NotFoundFreesTheKeyForAnotherRun) {
  Vanish({});
  server_.AdvanceTime(2min);
  EXPECT_EQ(RunOnServer(AskProvider(2min, Asking({std::nullopt}))).status, Status::kNotExecuted);
  EXPECT_EQ(RunOnServer(LeaveInDoubt()).status, Status::kSucceeded);
  EXPECT_EQ(sent_.size(), 1u);
}

TEST_F(RecoveryWithServerTest, ALateOutcomeIsFound) {
  Client first = server_.Connect();
  auto lapsed = std::get<Lease>(first.AcquireLock("order:1"));
  server_.AdvanceTime(31s);
  {
    auto second = std::get<Lease>(server_.Connect().AcquireLock("order:1"));
    EXPECT_EQ(lapsed.Record(Succeeded({.provider_reference = "ch_1"})).status,
              RecordAnswer::Status::kSuperseded);
  }
  EXPECT_EQ(RunOnServer(LeaveInDoubt()).result->provider_reference, "ch_1");
}

// Each run has one attempt that vanished, so a count of rejections would speak for both.
TEST_F(RecoveryWithServerTest, ARejectionFromAnEarlierRunDoesNotHideACharge) {
  Client first = server_.Connect();
  auto rejected = std::get<Lease>(first.AcquireLock("order:1"));
  server_.AdvanceTime(2min);
  EXPECT_EQ(RunOnServer(AskProvider(1min, Asking({std::nullopt}))).status, Status::kNotExecuted);
  Vanish({});  // after it charged
  EXPECT_EQ(rejected.Record(Rejected({})).status, RecordAnswer::Status::kSuperseded);
  const RunResult run =
      RunOnServer(AskProvider(1min, Asking({Succeeded({.provider_reference = "ch_1"})})));
  ASSERT_EQ(run.status, Status::kSucceeded);
  EXPECT_EQ(run.result->provider_reference, "ch_1");
}

}  // namespace
}  // namespace latchkey
