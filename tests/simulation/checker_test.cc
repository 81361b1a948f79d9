// The checker finds every broken promise: for each of them one story, told twice, which breaks it
// the first time and differs in nothing else the second.
#include <string>

#include "gtest/gtest.h"
#include "storage/store_key.h"
#include "tests/simulation/story.h"

namespace latchkey::simulation {
namespace {

using State = v1::CheckResultResponse;
constexpr auto kRecover = v1::Grant::RECOVER;
constexpr auto kForget = v1::AcquireLockRequest::FORGET;

v1::AcquireLockRequest Mutex(const std::string& attempt, int lease_ms = 1000) {
  auto request = Acquire(attempt, lease_ms);
  request.set_on_lapse(kForget);
  return request;
}

v1::AcquireLockRequest Waits(v1::AcquireLockRequest request, int wait_ms = 10'000) {
  SetProto(std::chrono::milliseconds(wait_ms), request.mutable_wait_timeout());
  return request;
}

v1::AcquireLockRequest WithFingerprint(v1::AcquireLockRequest request, const std::string& digest) {
  request.set_fingerprint(digest);
  return request;
}

void TwoLiveLeases(Story& story, bool broken) {
  story.Granted(Mutex("a"), 1);
  story.At(broken ? 500 : 1500);
  story.Granted(Mutex("b"), 2);
}

void TokenGoesBack(Story& story, bool broken) {
  story.Granted(Mutex("a", 100), 5);
  story.At(500);
  auto other = Mutex("b");
  other.set_key("another");
  story.Granted(other, broken ? 4 : 6);
}

void TokenOfTwoOwners(Story& story, bool broken) {
  const auto first = story.Ask(Mutex("a"));
  auto other = Mutex("b");
  other.set_key("another");
  const auto second = story.Ask(other);
  story.Grant(first, 1);
  story.Grant(second, broken ? 1 : 2);
}

void TokenGrantedTwice(Story& story, bool broken) {
  const auto first = story.Ask(Mutex("a"));
  const auto second = story.Ask(Mutex("a"));
  story.Grant(first, 1);
  story.Grant(second, 1, {.replayed = !broken});
}

void EndsBeforeItsDuration(Story& story, bool broken) {
  story.Granted(Acquire("a"), 1);
  story.At(broken ? 500 : 1500);
  story.Refused(Renew(1), "LEASE_EXPIRED");
}

void LosesBeforeItsDuration(Story& story, bool broken) {
  story.Granted(Acquire("a"), 1);
  story.At(broken ? 500 : 1500);
  story.Lost(1);
}

void PromisesLess(Story& story, bool broken) {
  story.Granted(Acquire("a"), 1, {.remaining_ms = broken ? 900 : 1000});
}

void RenewsForLess(Story& story, bool broken) {
  story.Granted(Acquire("a"), 1);
  story.At(500);
  story.Renewed(story.Ask(Renew(1)), broken ? 900 : 1000);
}

void HolderStillBelieves(Story& story, bool broken) {
  story.Granted(Mutex("a", 100), 1);
  story.At(500);
  story.Believe(broken ? 1 : 0);
  story.Granted(Mutex("b"), 2);
}

void DeadLeaseIsRenewed(Story& story, bool broken) {
  story.Granted(Acquire("a", 100), 1);
  story.At(500);
  story.Refused(Renew(1), "LEASE_EXPIRED");
  story.At(600);
  if (broken) {
    story.Renewed(story.Ask(Renew(1)), 100);
  } else {
    story.Refused(Renew(1), "LEASE_EXPIRED");
  }
}

void ReleasedGrantIsRepeated(Story& story, bool broken) {
  story.Granted(Mutex("a"), 1);
  story.At(10);
  const auto repeated = broken ? 0 : story.Ask(Mutex("a"));
  story.Released(story.Ask(Release(1, v1::ReleaseRequest::NOT_EXECUTED)), State::ABSENT);
  story.At(20);
  story.Grant(broken ? story.Ask(Mutex("a")) : repeated, 1, {.replayed = true});
}

void StaleTokenReleases(Story& story, bool broken) {
  story.Granted(Acquire("a", 100), 1);
  story.At(500);
  story.Granted(Acquire("b"), 2, {.mode = kRecover, .number = 2});
  story.At(600);
  const auto release = story.Ask(Release(1, v1::ReleaseRequest::UNKNOWN));
  if (broken) {
    story.Released(release, State::IN_DOUBT);
  } else {
    story.Refuse(release, "STALE_FENCING_TOKEN");
  }
}

void WaiterIsOvertaken(Story& story, bool broken) {
  story.Granted(Mutex("a"), 1);
  story.At(100);
  const auto first = story.Ask(Waits(Mutex("b")));
  story.At(200);
  const auto second = story.Ask(Waits(Mutex("c")));
  story.At(1500);
  story.Grant(broken ? second : first, 2);
  story.At(3000);
  story.Grant(broken ? first : second, 3);
}

void WaiterTimesOutBehindALaterOne(Story& story, bool broken) {
  story.Granted(Mutex("a"), 1);
  story.At(100);
  const auto waits = story.Ask(Waits(Mutex("b"), broken ? 2000 : 1000));
  story.At(200);
  const auto later = story.Ask(Waits(Mutex("c")));
  story.At(1500);
  story.Grant(later, 2);
  story.At(2100);
  story.Contend(waits, "c");
}

void GrantedToTheGone(Story& story, bool broken) {
  const auto gone = story.Ask(Waits(Mutex("a")));
  const auto repeated = story.Ask(Waits(Mutex("a")));
  story.Gone(gone);
  if (broken) story.Gone(repeated);
  story.Write(1, "a");
}

void UnsentGrantIsKept(Story& story, bool broken) {
  const auto call = story.Ask(Waits(Mutex("a")));
  story.Write(1, "a");
  story.At(10);
  if (broken) story.Gone(call);
  story.At(1000);
  story.Step();
}

void EndedAttemptIsGranted(Story& story, bool broken) {
  story.Granted(Acquire("a"), 1);
  story.At(10);
  const auto duplicate = broken ? 0 : story.Ask(Acquire("a"));
  story.Released(story.Ask(Release(1, v1::ReleaseRequest::NOT_EXECUTED)), State::ABSENT);
  story.At(20);
  story.Grant(broken ? story.Ask(Acquire("a")) : duplicate, 2);
}

void EndsInAStall(Story& story, bool broken) {
  story.Granted(Acquire("a"), 1);
  story.At(500);
  if (broken) story.Stalled(500, 1200);
  story.At(1300);
  story.Refused(Renew(1), "LEASE_EXPIRED");
}

void HasAnotherDownstreamKey(Story& story, bool broken) {
  story.Granted(Mutex("a", 100), 1, {.downstream_key = "one"});
  story.At(500);
  story.Granted(Mutex("b"), 2, {.downstream_key = broken ? "two" : "one"});
}

void IsNeverAnswered(Story& story, bool broken) {
  const auto call = story.Ask(Waits(Acquire("a")));
  if (!broken) story.Grant(call, 1);
  story.End();
}

void IsSentAwayEarly(Story& story, bool broken) {
  story.Granted(Mutex("a"), 1);
  const auto waits = story.Ask(Waits(Mutex("b"), 500));
  story.At(broken ? 100 : 500);
  story.Contend(waits, "a");
}

void LateComerIsTakenForNew(Story& story, bool broken) {
  auto request = Acquire("a");
  const auto age = std::chrono::hours(24 * (broken ? 91 : 89));
  SetProto(ServerHost::wall_at_zero() - age, request.mutable_first_sent_at());
  story.Granted(request, 1);
}

void AnotherIsSeenToHold(Story& story, bool broken) {
  story.Granted(Acquire("a"), 1);
  story.At(10);
  story.Answer(story.Ask(Check()), State::HELD, broken ? "b" : "a");
}

void ResultChanges(Story& story, bool broken) {
  story.Granted(Acquire("a"), 1);
  story.Recorded(story.Ask(Record(1)), ResultOf(1));
  (void)story.Ask(Record(1, "ch_2"));
  story.At(10);
  story.Completed(story.Ask(Acquire("b")), ResultOf(1, broken ? "ch_2" : "ch_1"));
}

void RecordsSomethingElse(Story& story, bool broken) {
  story.Granted(Acquire("a"), 1);
  (void)story.Ask(Record(1, "ch_2"));
  story.Recorded(story.Ask(Record(1)), ResultOf(1, broken ? "ch_2" : "ch_1"));
}

void StaleTokenRecords(Story& story, bool broken) {
  story.Granted(Acquire("a", 100), 1);
  story.At(500);
  story.Granted(Acquire("b"), 2, {.mode = kRecover, .number = 2});
  story.At(600);
  const auto record = story.Ask(Record(1));
  if (broken) {
    story.Recorded(record, ResultOf(1));
  } else {
    story.Refuse(record, "STALE_FENCING_TOKEN");
  }
}

void StaleReportIsNotKept(Story& story, bool broken) {
  story.Granted(Acquire("a", 100), 1);
  story.At(500);
  story.Granted(Acquire("b"), 2, {.mode = kRecover, .number = 2});
  story.At(600);
  story.Refused(Record(1), "STALE_FENCING_TOKEN");
  storage::Record record;
  record.set_state(State::IN_DOUBT);
  record.set_fencing_token(2);
  if (!broken) record.add_late_outcomes()->set_fencing_token(1);
  const storage::Write write{storage::MakeStoreKey("default", kKey), 0, &record};
  ASSERT_TRUE(story.disk().records.Commit({&write, 1}).ok());
  story.End();
}

void NobodyRecordedIt(Story& story, bool broken) {
  story.Granted(Acquire("a"), 1);
  if (!broken) (void)story.Ask(Record(1));
  story.At(1500);
  story.Completed(story.Ask(Acquire("b")), ResultOf(1));
}

void OtherFingerprintIsAnswered(Story& story, bool broken) {
  story.Granted(WithFingerprint(Acquire("a"), "F1"), 1);
  story.At(10);
  story.Contend(story.Ask(WithFingerprint(Acquire("b"), broken ? "F2" : "F1")), "a");
}

void SameFingerprintIsRefused(Story& story, bool broken) {
  story.Granted(WithFingerprint(Acquire("a"), "F1"), 1);
  story.At(10);
  story.Refused(WithFingerprint(Acquire("b"), broken ? "F1" : "F2"), "FINGERPRINT_MISMATCH");
}

void RefusalShowsTheResult(Story& story, bool broken) {
  story.Granted(WithFingerprint(Acquire("a"), "F1"), 1);
  story.Recorded(story.Ask(Record(1)), ResultOf(1));
  story.At(10);
  story.Refuse(story.Ask(WithFingerprint(Acquire("b"), "F2")), "FINGERPRINT_MISMATCH",
               broken ? "it was ch_1" : "");
}

void ExecutesAgainAfterALapse(Story& story, bool broken) {
  story.Granted(Acquire("a", 100), 1);
  story.At(500);
  story.Granted(Acquire("b"), 2,
                {.mode = broken ? v1::Grant::EXECUTE : kRecover, .number = broken ? 1U : 2U});
}

void ExecutesAfterAResult(Story& story, bool broken) {
  story.Granted(Mutex("a", 100), 1);
  if (broken) story.Recorded(story.Ask(Record(1)), ResultOf(1));
  story.At(500);
  story.Granted(Mutex("b"), 2);
}

void ExecutesAsTheSecond(Story& story, bool broken) {
  story.Granted(Mutex("a", 100), 1);
  story.At(500);
  story.Granted(Mutex("b"), 2, {.number = broken ? 2U : 1U});
}

void ResultDisappears(Story& story, bool broken) {
  story.Granted(Mutex("a", 100), 1);
  story.Recorded(story.Ask(Record(1)), ResultOf(1));
  story.At(500);
  story.Answer(story.Ask(Check()), broken ? State::ABSENT : State::COMPLETED);
}

void DoubtDisappears(Story& story, bool broken) {
  story.Granted(Acquire("a", 100), 1);
  story.At(500);
  story.Answer(story.Ask(Check()), broken ? State::ABSENT : State::IN_DOUBT);
}

void AcknowledgedIsLost(Story& story, bool broken) {
  story.Granted(Mutex("a", 100), 1);
  story.Recorded(story.Ask(Record(1)), ResultOf(1));
  story.At(500);
  story.Restart();
  story.Answer(story.Ask(Check()), broken ? State::ABSENT : State::COMPLETED);
}

void LeaseIsLostInACrash(Story& story, bool broken) {
  story.Granted(Acquire("a"), 1);
  story.Restart();
  story.At(10);
  story.Answer(story.Ask(Check()), broken ? State::ABSENT : State::HELD, "a");
}

void CheckpointIsNotHandedOver(Story& story, bool broken) {
  story.Granted(Acquire("a", 100), 1);
  auto renew = Renew(1);
  renew.set_checkpoint("step 1");
  story.Renewed(story.Ask(renew), 100);
  story.At(500);
  story.Granted(Acquire("b"), 2,
                {.mode = kRecover, .number = 2, .checkpoint = broken ? "" : "step 1"});
}

void AnswersAfterTheStoreFailed(Story& story, bool broken) {
  story.At(10);
  story.StoreFails();
  story.At(20);
  const auto check = story.Ask(Check());
  if (broken) {
    story.Answer(check, State::ABSENT);
  } else {
    story.Refuse(check, "STORAGE_UNAVAILABLE");
  }
}

void StaysHeldForEver(Story& story, bool broken) {
  storage::Record record;
  record.set_state(broken ? State::HELD : State::IN_DOUBT);
  record.set_fencing_token(1);
  record.set_attempt_id("a");
  record.set_mode(v1::Grant::EXECUTE);
  record.set_attempt_number(1);
  record.set_granted_lease_nanos(1);
  record.set_promised_lease_nanos(1);
  const storage::Write write{storage::MakeStoreKey("default", kKey), 0, &record};
  ASSERT_TRUE(story.disk().records.Commit({&write, 1}).ok());
  story.End();
}

struct Case {
  const char* invariant;
  const char* name;
  void (*tell)(Story& story, bool broken);
};

constexpr Case kCases[] = {
    {"L1", "TwoLiveLeases", TwoLiveLeases},
    {"L2", "TokenGoesBack", TokenGoesBack},
    {"L3", "TokenOfTwoOwners", TokenOfTwoOwners},
    {"L3", "TokenGrantedTwice", TokenGrantedTwice},
    {"L4", "EndsBeforeItsDuration", EndsBeforeItsDuration},
    {"L4", "LosesBeforeItsDuration", LosesBeforeItsDuration},
    {"L4", "PromisesLess", PromisesLess},
    {"L4", "RenewsForLess", RenewsForLess},
    {"L5", "HolderStillBelieves", HolderStillBelieves},
    {"L6", "DeadLeaseIsRenewed", DeadLeaseIsRenewed},
    {"L6", "ReleasedGrantIsRepeated", ReleasedGrantIsRepeated},
    {"L7", "StaleTokenReleases", StaleTokenReleases},
    {"L8", "WaiterIsOvertaken", WaiterIsOvertaken},
    {"L8", "WaiterTimesOutBehindALaterOne", WaiterTimesOutBehindALaterOne},
    {"L8", "IsSentAwayEarly", IsSentAwayEarly},
    {"L9", "GrantedToTheGone", GrantedToTheGone},
    {"L4", "EndsInAStall", EndsInAStall},
    {"L9", "UnsentGrantIsKept", UnsentGrantIsKept},
    {"L9", "EndedAttemptIsGranted", EndedAttemptIsGranted},
    {"L10", "StaysHeldForEver", StaysHeldForEver},
    {"L10", "IsNeverAnswered", IsNeverAnswered},
    {"I5", "HasAnotherDownstreamKey", HasAnotherDownstreamKey},
    {"I1", "AnotherIsSeenToHold", AnotherIsSeenToHold},
    {"I2", "ResultChanges", ResultChanges},
    {"I2", "RecordsSomethingElse", RecordsSomethingElse},
    {"I3", "StaleTokenRecords", StaleTokenRecords},
    {"I3", "StaleReportIsNotKept", StaleReportIsNotKept},
    {"I3", "NobodyRecordedIt", NobodyRecordedIt},
    {"I4", "OtherFingerprintIsAnswered", OtherFingerprintIsAnswered},
    {"I4", "SameFingerprintIsRefused", SameFingerprintIsRefused},
    {"I4", "RefusalShowsTheResult", RefusalShowsTheResult},
    {"I5", "ExecutesAgainAfterALapse", ExecutesAgainAfterALapse},
    {"I5", "ExecutesAfterAResult", ExecutesAfterAResult},
    {"I5", "ExecutesAsTheSecond", ExecutesAsTheSecond},
    {"I6", "ResultDisappears", ResultDisappears},
    {"I6", "DoubtDisappears", DoubtDisappears},
    {"I6", "LateComerIsTakenForNew", LateComerIsTakenForNew},
    {"D1", "AcknowledgedIsLost", AcknowledgedIsLost},
    {"D1", "LeaseIsLostInACrash", LeaseIsLostInACrash},
    {"D1", "CheckpointIsNotHandedOver", CheckpointIsNotHandedOver},
    {"D4", "AnswersAfterTheStoreFailed", AnswersAfterTheStoreFailed},
};

class CheckerTest : public testing::TestWithParam<Case> {};

TEST_P(CheckerTest, FindsTheBrokenPromise) {
  Story story;
  GetParam().tell(story, true);
  EXPECT_EQ(story.violation().substr(0, story.violation().find(' ')), GetParam().invariant)
      << story.violation();
}

TEST_P(CheckerTest, AcceptsTheKeptOne) {
  Story story;
  GetParam().tell(story, false);
  EXPECT_EQ(story.violation(), "");
}

INSTANTIATE_TEST_SUITE_P(All, CheckerTest, testing::ValuesIn(kCases), [](const auto& one) {
  return std::string(one.param.invariant) + one.param.name;
});

}  // namespace
}  // namespace latchkey::simulation
