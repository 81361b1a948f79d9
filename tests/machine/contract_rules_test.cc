// The rules of CONTRACT section 3 that concern one record, one test or a few each, in their order.

#include "server/machine/results.h"
#include "tests/machine/machine_fixture.h"
#include <openssl/sha.h>

namespace latchkey {
namespace {

class ContractRules : public MachineTest {};

std::string Sha256(const std::string& text) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

TEST_F(ContractRules, Rule1CompletedBeatsTheLock) {
  const auto a = Acquire("a");
  Succeed(Token(a));
  for (const char* attempt : {"a", "b"}) {
    const auto answer = Recover(attempt);
    EXPECT_TRUE(answer->has_completed());
    EXPECT_FALSE(answer.step.lease_deadline);
  }
  EXPECT_EQ(state(), State::COMPLETED);
}

TEST_F(ContractRules, Rule2AfterALapseTheNextGrantRecovers) {
  settings_.downstream_key_ttl = hours(24);
  const auto a = Acquire("a");
  Renew(Token(a), [](v1::RenewLeaseRequest& request) { request.set_checkpoint("step 1"); });
  LetLapse();
  EXPECT_TRUE(Acquire("b")->contention().in_doubt());
  const auto b = Recover("b");
  EXPECT_EQ(b->grant().mode(), v1::Grant::RECOVER);
  EXPECT_EQ(b->grant().recover_action(), v1::Grant::RESEND_SAME_KEY);
  EXPECT_EQ(b->grant().checkpoint(), "step 1");
  EXPECT_EQ(b->grant().downstream_idempotency_key(), a->grant().downstream_idempotency_key());
}

TEST_F(ContractRules, Rule2ResendEndsWithTheTtlToTheMoment) {
  Acquire("a", [](AcquireLock& request) {
    SetProto(seconds(11), request.mutable_downstream_key_ttl());
  });
  LetLapse();
  Pass(seconds(1) - Duration(1));
  Recover("b");
  EXPECT_EQ(FromProto(Acquire("b")->grant().downstream_key_remaining()), Duration(1));
  LetLapse();
  EXPECT_EQ(Recover("c")->grant().recover_action(), v1::Grant::QUERY_ONLY);
}

TEST_F(ContractRules, Rule3TheDownstreamKeyIsAUuidAnybodyCanCompute) {
  // python3: u5 = uuid.uuid5; u5(u5(u5(uuid.NAMESPACE_URL, "urn:latchkey"), "default"),
  // "order:123")
  EXPECT_EQ(Acquire("a")->grant().downstream_idempotency_key(),
            "d056976f-8e1b-5e57-8e74-6fd53c58d4c4");
  context_.name_space = "other";
  EXPECT_NE(Acquire("a")->grant().downstream_idempotency_key(),
            "d056976f-8e1b-5e57-8e74-6fd53c58d4c4");
}

TEST_F(ContractRules, Rule4TokensRiseThroughDeletion) {
  const auto a = Acquire("a");
  Renew(Token(a));
  EXPECT_EQ(Token(Acquire("a")), Token(a)) << "a renewal and a replay keep it";
  Succeed(Token(a));
  Delete(Token(a));
  EXPECT_GT(Token(Acquire("b")), Token(a));
}

TEST_F(ContractRules, Rule5AReplayIsTheSameGrant) {
  const auto a = Acquire("a");
  Pass(seconds(1));
  const auto replay = Acquire("a", [](AcquireLock& request) {
    SetProto(seconds(60), request.mutable_lease_duration());
    request.set_accept_recover(false);
  });
  EXPECT_TRUE(replay->grant().replayed());
  EXPECT_EQ(replay->grant().attempt_number(), 1u);
  EXPECT_EQ(replay.step.lease_deadline, a.step.lease_deadline) << "the lease is not extended";
  EXPECT_FALSE(replay.step.durable);
}

TEST_F(ContractRules, Rule5ThereIsNoReentrancy) {
  Acquire("a");
  EXPECT_TRUE(
      Acquire("a2", [](AcquireLock& request) { request.set_holder_id("a's"); })->has_contention());
}

TEST_F(ContractRules, Rule5AReplayAfterAMarkSaysRecoverWhateverIsAccepted) {
  const auto a = Acquire("a");
  Mark(Token(a));
  const auto replay = Acquire("a");
  EXPECT_EQ(replay->grant().mode(), v1::Grant::RECOVER);
  EXPECT_EQ(replay->grant().recover_action(), v1::Grant::QUERY_ONLY);
}

TEST_F(ContractRules, Rule6AFreeKeyIsAbsentOrInDoubt) {
  EXPECT_TRUE(IsFree(key_));
  const auto a = Acquire("a");
  EXPECT_FALSE(IsFree(key_));
  LetLapse();
  EXPECT_TRUE(IsFree(key_));
  Succeed(Token(a));
  EXPECT_FALSE(IsFree(key_));
}

TEST_F(ContractRules, Rule6TheLeaseStartsAtTheGrant) {
  Pass(hours(1));
  EXPECT_EQ(Acquire("a").step.lease_deadline, context_.now.monotonic + seconds(10));
}

TEST_F(ContractRules, Rule7ALateResultOfTheNewestTokenIsAccepted) {
  const auto a = Acquire("a");
  LetLapse();
  EXPECT_TRUE(Succeed(Token(a))->late());
}

TEST_F(ContractRules, Rule7ASupersededTokenIsHeardOnce) {
  const auto a = Acquire("a");
  LetLapse();
  const auto b = Recover("b");
  const auto first = Succeed(Token(a), "R1");
  EXPECT_EQ(first.reason(), Refused::STALE_FENCING_TOKEN);
  EXPECT_TRUE(first.step.durable);
  const auto again = Succeed(Token(a), "R1");
  EXPECT_EQ(again.reason(), Refused::STALE_FENCING_TOKEN);
  EXPECT_FALSE(again.step.durable);
  EXPECT_EQ(Look().late_outcome_count(), 1u);
  const auto replay = Acquire("b");
  ASSERT_EQ(replay->grant().late_outcomes_size(), 1);
  EXPECT_EQ(replay->grant().late_outcomes(0).provider_reference(), "R1");
  EXPECT_EQ(replay->grant().late_outcomes(0).fencing_token(), Token(a));
  Succeed(Token(b), "R1");
  EXPECT_FALSE(Look().duplicate_effect_suspected()) << "the same effect, found by asking";
}

TEST_F(ContractRules, Rule7ATokenThatWasNeverIssuedIsRefusedAndNotHeard) {
  const auto a = Acquire("a");
  const std::uint64_t invented = context_.highest_token + 1;
  for (const bool completed : {false, true}) {
    if (completed) Succeed(Token(a), "R1");
    const auto refused = Succeed(invented, "R2");
    EXPECT_EQ(refused.reason(), Refused::STALE_FENCING_TOKEN);
    EXPECT_FALSE(refused.step.durable);
    EXPECT_FALSE(refused.step.late_outcome_kept);
    EXPECT_EQ(Look().late_outcome_count(), 0u);
    EXPECT_FALSE(Look().duplicate_effect_suspected());
  }
  GrantElsewhere();
  EXPECT_TRUE(Succeed(invented, "R2").step.late_outcome_kept) << "now somebody has it";
}

TEST_F(ContractRules, Rule7TwoReferencesAreSuspect) {
  const auto a = Acquire("a");
  LetLapse();
  const auto b = Recover("b");
  Succeed(Token(a), "R1");
  EXPECT_TRUE(Succeed(Token(b), "R2").step.duplicate_suspected);
}

TEST_F(ContractRules, Rule7AtMostFourLateOutcomesAreKept) {
  const auto a = Acquire("a");
  LetLapse();
  Recover("b");
  for (int i = 1; i <= 6; ++i) Succeed(Token(a), "R" + std::to_string(i));
  EXPECT_EQ(Look().late_outcomes_size(), 4);
  EXPECT_EQ(Look().late_outcomes(3).provider_reference(), "R4");
  EXPECT_EQ(Look().late_outcome_count(), 6u);
}

TEST_F(ContractRules, Rule7LateOutcomesOutliveTheirRunInTheAuditLog) {
  const auto a = Acquire("a");
  LetLapse();
  const auto b = Recover("b");
  Succeed(Token(a), "R1");
  GiveBack(Token(b), Release::RUN_NOT_EXECUTED);
  EXPECT_EQ(state(), State::ABSENT);
  ASSERT_EQ(Look().audit_size(), 1);
  EXPECT_EQ(Look().audit(0).action(), "RecordResult");
  EXPECT_EQ(Look().audit(0).fencing_token(), Token(a));
}

TEST_F(ContractRules, Rule8TheSameResultIsOutcomeCodeReferenceTypeAndPayload) {
  using Request = v1::RecordResultRequest;
  const auto a = Acquire("a");
  const auto base = [](Request& request) {
    request.set_code("ok");
    request.set_content_type("text/plain");
    request.set_payload("body");
  };
  Record(Token(a), Outcome::SUCCEEDED, "R1", base);
  EXPECT_TRUE(Record(Token(a), Outcome::SUCCEEDED, "R1", base)->already_recorded());
  using Change = void (*)(Request&);
  const Change kChanges[] = {[](Request& request) { request.set_outcome(Outcome::REJECTED); },
                             [](Request& request) { request.set_code("other"); },
                             [](Request& request) { request.set_provider_reference("R2"); },
                             [](Request& request) { request.set_content_type("text/html"); },
                             [](Request& request) { request.set_payload("other"); }};
  for (const Change change : kChanges) {
    const auto other = Record(Token(a), Outcome::SUCCEEDED, "R1", [&](Request& request) {
      base(request);
      change(request);
    });
    EXPECT_EQ(other.reason(), Refused::RESULT_CONFLICT);
  }
  const auto retention = Record(Token(a), Outcome::SUCCEEDED, "R1", [&](Request& request) {
    base(request);
    SetProto(hours(1), request.mutable_retention());
  });
  EXPECT_TRUE(retention->already_recorded()) << "how long it is kept is no part of a result";
}

TEST_F(ContractRules, Rule8TheSameResultIsKnownAfterItsBodyExpired) {
  const auto send = [](v1::RecordResultRequest& request) { request.set_payload("body"); };
  const auto a = Acquire("a");
  Record(Token(a), Outcome::SUCCEEDED, "R1", send);
  Pass(settings_.payload_retention);
  EXPECT_TRUE(Acquire("b")->completed().result().body_expired());
  EXPECT_TRUE(Record(Token(a), Outcome::SUCCEEDED, "R1", send)->already_recorded());
}

TEST_F(ContractRules, Rule8NothingUndoesACompletedRecord) {
  const auto a = Acquire("a");
  LetLapse();
  Succeed(Token(a));
  GiveBack(Token(a), Release::RUN_NOT_EXECUTED);
  GiveUp("a");
  Undo(Token(a));
  ForceRelease(Token(a));
  Resolve(Token(a), v1::ResolveOutcomeRequest::NOT_EXECUTED);
  EXPECT_EQ(state(), State::COMPLETED);
  EXPECT_EQ(Look().result().provider_reference(), "R1");
}

TEST_F(ContractRules, Rule9ADifferentFingerprintIsRefusedInEveryState) {
  const auto expect_refused = [&] {
    const auto other = Acquire("b", [](AcquireLock& request) {
      request.set_fingerprint("F2");
      request.set_accept_recover(true);
      SetProto(seconds(60), request.mutable_wait_timeout());
    });
    EXPECT_EQ(other.reason(), Refused::FINGERPRINT_MISMATCH);
    EXPECT_FALSE(other.step.wait);
    EXPECT_TRUE(other.step.refusal->metadata.empty()) << "nothing is revealed";
    EXPECT_EQ(
        Check([](v1::CheckResultRequest& request) { request.set_fingerprint("F2"); }).reason(),
        Refused::FINGERPRINT_MISMATCH);
  };
  const auto a = AcquireWith("a", "F1");
  expect_refused();
  LetLapse();
  expect_refused();
  Succeed(Token(a));
  expect_refused();
  Pass(settings_.payload_retention);
  expect_refused();
  EXPECT_TRUE(AcquireWith("b", "F1")->has_completed());
  EXPECT_TRUE(Acquire("b")->has_completed()) << "compared where both sides gave one";
}

TEST_F(ContractRules, Rule10APayloadAtItsLimitIsKeptAndOnePastItIsNot) {
  limits_.payload_bytes = 16;
  for (std::size_t size : {16u, 17u}) {
    key_ = KeyState();
    const std::string payload(size, 'x');
    const auto a = Acquire("a");
    const auto recorded =
        Record(Token(a), Outcome::SUCCEEDED, "R1",
               [&](v1::RecordResultRequest& request) { request.set_payload(payload); });
    EXPECT_EQ(recorded->result().payload(), "") << "the reply never has it";
    EXPECT_EQ(recorded->result().payload_digest(), Sha256(payload));
    const auto seen = Acquire("b");
    const v1::Result& result = seen->completed().result();
    EXPECT_EQ(result.body_omitted(), size == 17);
    EXPECT_EQ(result.payload(), size == 17 ? "" : payload);
    EXPECT_EQ(result.payload_digest(), Sha256(payload));
    EXPECT_EQ(result.provider_reference(), "R1");
  }
}

TEST_F(ContractRules, Rule10WhatIsTooLongIsCutAtACharacter) {
  const auto record = [&](std::size_t code, std::size_t reference, std::size_t type) {
    key_ = KeyState();
    const auto a = Acquire("a");
    return Record(Token(a), Outcome::SUCCEEDED, std::string(reference, 'r'),
                  [&](v1::RecordResultRequest& request) {
                    request.set_code(std::string(code, 'c'));
                    request.set_content_type(std::string(type, 't'));
                  })
        ->result();
  };
  EXPECT_FALSE(record(64, 256, 128).truncated());
  EXPECT_TRUE(record(65, 256, 128).truncated());
  EXPECT_TRUE(record(64, 257, 128).truncated());
  EXPECT_TRUE(record(64, 256, 129).truncated());
  EXPECT_EQ(record(65, 300, 200).code().size(), 64u);
  EXPECT_EQ(record(65, 300, 200).provider_reference().size(), 256u);
  EXPECT_EQ(record(65, 300, 200).content_type().size(), 128u);
  key_ = KeyState();
  const auto a = Acquire("a");
  const std::string euros = std::string(63, 'c') + "\u20AC";
  const auto cut = Record(Token(a), Outcome::SUCCEEDED, "R1",
                          [&](v1::RecordResultRequest& request) { request.set_code(euros); });
  EXPECT_EQ(cut->result().code(), std::string(63, 'c'));
  EXPECT_TRUE(Record(Token(a), Outcome::SUCCEEDED, "R1",
                     [&](v1::RecordResultRequest& request) { request.set_code(euros); })
                  ->already_recorded())
      << "compared as it was cut";
}

TEST_F(ContractRules, Rule10AnExpiredPayloadIsNotMissedWhenItIsGone) {
  const auto a = Acquire("a");
  const auto with_body = [](v1::RecordResultRequest& request) { request.set_payload("body"); };
  const auto digest =
      Record(Token(a), Outcome::SUCCEEDED, "R1", with_body)->result().payload_digest();
  Pass(settings_.payload_retention - Duration(1));
  EXPECT_FALSE(DropExpiredPayload(*key_.record, context_.now.retention));
  EXPECT_EQ(Check()->result().payload(), "body");
  Pass(Duration(1));
  const std::string before = Check()->SerializeAsString();
  EXPECT_TRUE(DropExpiredPayload(*key_.record, context_.now.retention));
  EXPECT_EQ(key_.record->result().payload(), "");
  EXPECT_EQ(Check()->SerializeAsString(), before);
  EXPECT_TRUE(Check()->result().body_expired());
  EXPECT_EQ(Check()->result().payload_digest(), digest);
  EXPECT_TRUE(Record(Token(a), Outcome::SUCCEEDED, "R1", with_body)->already_recorded());
  EXPECT_EQ(Record(Token(a), Outcome::SUCCEEDED, "R1").reason(), Refused::RESULT_CONFLICT);
  EXPECT_FALSE(DropExpiredPayload(*key_.record, context_.now.retention)) << "it is gone";
}

TEST_F(ContractRules, Rule10RetentionIsClamped) {
  const auto body_expires_in = [&](Duration retention) {
    key_ = KeyState();
    const auto a = Acquire("a");
    Record(Token(a), Outcome::SUCCEEDED, "R1", [&](v1::RecordResultRequest& request) {
      SetProto(retention, request.mutable_retention());
    });
    return FromProto(Acquire("b")->completed().body_expires_in()).value();
  };
  EXPECT_EQ(body_expires_in(hours(1)), hours(1));
  EXPECT_EQ(body_expires_in(settings_.key_retention + Duration(1)), settings_.key_retention);
  EXPECT_EQ(body_expires_in(-seconds(1)), Duration::zero());
}

TEST_F(ContractRules, Rule14WhatIsOpenIsNeverForgotten) {
  Acquire("a");
  Pass(hours(24 * 365 * 20));
  const WallTime now = context_.now.retention;
  EXPECT_FALSE(IsForgotten(*key_.record, limits_, settings_, now));
  EXPECT_FALSE(IsReclaimable(*key_.record, limits_, settings_, now));
  LetLapse();
  EXPECT_FALSE(IsForgotten(*key_.record, limits_, settings_, now));
  EXPECT_FALSE(IsReclaimable(*key_.record, limits_, settings_, now));
}

TEST_F(ContractRules, Rule14AFullDiskRefusesOnlyCheckpointsThatGrow) {
  const auto a = Acquire("a");
  const auto save = [&](const std::string& checkpoint) {
    return Renew(Token(a),
                 [&](v1::RenewLeaseRequest& request) { request.set_checkpoint(checkpoint); })
        .reason();
  };
  EXPECT_EQ(save("four"), Refused::REASON_UNSPECIFIED);
  context_.creation_refusal = Refused::STORAGE_FULL;
  EXPECT_EQ(save("more!"), Refused::STORAGE_FULL);
  EXPECT_EQ(save("same"), Refused::REASON_UNSPECIFIED);
  EXPECT_EQ(save(""), Refused::REASON_UNSPECIFIED);
  context_.creation_refusal = Refused::QUOTA_EXCEEDED;
  EXPECT_EQ(save("more!"), Refused::REASON_UNSPECIFIED);
}

TEST_F(ContractRules, Rule16AKeyIsRefusedThenForgotten) {
  const auto a = Acquire("a");
  Succeed(Token(a));
  Pass(settings_.key_retention - Duration(1));
  EXPECT_TRUE(Acquire("b")->has_completed());
  Pass(Duration(1));
  EXPECT_EQ(Acquire("b").reason(), Refused::KEY_EXPIRED);
  EXPECT_EQ(Check().reason(), Refused::KEY_EXPIRED);
  Pass(hours(24) - Duration(1));
  EXPECT_EQ(Acquire("b").reason(), Refused::KEY_EXPIRED);
  EXPECT_FALSE(IsReclaimable(*key_.record, limits_, settings_, context_.now.retention));
  Pass(Duration(1));
  EXPECT_TRUE(IsReclaimable(*key_.record, limits_, settings_, context_.now.retention));
  EXPECT_EQ(Check()->state(), State::ABSENT);
  EXPECT_EQ(Acquire("b")->grant().mode(), v1::Grant::EXECUTE);
}

TEST_F(ContractRules, Rule16ALateComerIsNeverNew) {
  const auto sent = [&](Duration age) {
    return Acquire("a",
                   [&](AcquireLock& request) {
                     SetProto(context_.now.retention - age, request.mutable_first_sent_at());
                   })
        .reason();
  };
  EXPECT_EQ(sent(settings_.key_retention + hours(1)), Refused::KEY_EXPIRED);
  EXPECT_EQ(sent(settings_.key_retention), Refused::KEY_EXPIRED);
  EXPECT_EQ(sent(settings_.key_retention - Duration(1)), Refused::REASON_UNSPECIFIED);
}

TEST_F(ContractRules, AuditEntriesStayNinetyDaysAfterTheRecord) {
  const auto a = Acquire("a");
  Succeed(Token(a));
  Delete(Token(a));
  Pass(limits_.audit_retention - Duration(1));
  EXPECT_FALSE(IsReclaimable(*key_.record, limits_, settings_, context_.now.retention));
  Pass(Duration(1));
  EXPECT_TRUE(IsReclaimable(*key_.record, limits_, settings_, context_.now.retention));
}

}  // namespace
}  // namespace latchkey
