// Recording a result, repeating it, and what everybody else is told.

#include "server/machine/proto_time.h"
#include "tests/behaviour/behaviour_fixture.h"
#include <openssl/sha.h>

namespace latchkey {
namespace {

using ResultTest = BehaviourTest;
RUN_OVER_EVERY_STORE(ResultTest);

std::string Sha256(const std::string& text) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

TEST_P(ResultTest, ResultIsStoredAndTheLockIsGoneInOneStep) {
  const auto token = MustAcquire("order:1", "a1");
  const auto recorded = Record("order:1", token, [](auto& request) {
    request.set_code("ok");
    request.set_content_type("application/json");
    request.set_payload("{\"id\":1}");
  });
  ASSERT_TRUE(recorded.ok()) << recorded.reason();
  EXPECT_FALSE(recorded->already_recorded());
  EXPECT_FALSE(recorded->late());
  EXPECT_EQ(recorded->result().payload(), "");
  EXPECT_FALSE(recorded->result().body_expired());
  EXPECT_EQ(recorded->result().payload_digest(), Sha256("{\"id\":1}"));

  const auto reply = Acquire("order:1", "a2");
  ASSERT_TRUE(reply->has_completed());
  const auto& result = reply->completed().result();
  EXPECT_EQ(result.outcome(), v1::Result::SUCCEEDED);
  EXPECT_EQ(result.code(), "ok");
  EXPECT_EQ(result.provider_reference(), "pay_1");
  EXPECT_EQ(result.content_type(), "application/json");
  EXPECT_EQ(result.payload(), "{\"id\":1}");
  EXPECT_EQ(result.payload_digest(), Sha256("{\"id\":1}"));
  EXPECT_EQ(result.fencing_token(), token);
  EXPECT_TRUE(result.has_recorded_at());
  EXPECT_GT(*FromProto(reply->completed().body_expires_in()), 71h);
  EXPECT_GT(*FromProto(reply->completed().key_expires_in()), 24h * 89);
}

TEST_P(ResultTest, HolderWhoseReplyWasLostGetsTheResultToo) {
  const auto token = MustAcquire("order:1", "a1");
  ASSERT_TRUE(Record("order:1", token).ok());
  EXPECT_TRUE(Acquire("order:1", "a1")->has_completed());
}

TEST_P(ResultTest, RejectionIsFinalAndReplayed) {
  const auto token = MustAcquire("order:1", "a1");
  ASSERT_TRUE(Record("order:1", token, [](auto& request) {
                request.set_outcome(v1::Result::REJECTED);
                request.set_code("card_declined");
              }).ok());
  const auto reply = Acquire("order:1", "a2");
  EXPECT_EQ(reply->completed().result().outcome(), v1::Result::REJECTED);
  EXPECT_EQ(reply->completed().result().code(), "card_declined");
}

TEST_P(ResultTest, SameResultAgainIsAlreadyRecorded) {
  const auto token = MustAcquire("order:1", "a1");
  ASSERT_TRUE(Record("order:1", token).ok());
  const auto again = Record("order:1", token);
  ASSERT_TRUE(again.ok()) << again.reason();
  EXPECT_TRUE(again->already_recorded());
}

TEST_P(ResultTest, OtherResultByTheSameTokenIsAConflictAndTheFirstStands) {
  const auto token = MustAcquire("order:1", "a1");
  ASSERT_TRUE(Record("order:1", token).ok());
  const auto other =
      Record("order:1", token, [](auto& request) { request.set_provider_reference("pay_2"); });
  EXPECT_EQ(other.reason(), "RESULT_CONFLICT");
  EXPECT_EQ(other.info().metadata().at("provider_reference"), "pay_1");
  for (auto* change : {+[](v1::RecordResultRequest& r) { r.set_code("x"); },
                       +[](v1::RecordResultRequest& r) { r.set_content_type("x"); },
                       +[](v1::RecordResultRequest& r) { r.set_payload("x"); },
                       +[](v1::RecordResultRequest& r) { r.set_outcome(v1::Result::REJECTED); }}) {
    EXPECT_EQ(Record("order:1", token, change).reason(), "RESULT_CONFLICT");
  }
  const auto record = Get("order:1");
  EXPECT_EQ(record.result().provider_reference(), "pay_1");
  EXPECT_TRUE(record.duplicate_effect_suspected());
}

TEST_P(ResultTest, AnyOtherTokenIsStaleAlsoOnACompletedKey) {
  const auto token = MustAcquire("order:1", "a1");
  MustAcquire("order:2", "a1");  // its token is higher, and another key's
  ASSERT_TRUE(Record("order:1", token).ok());
  EXPECT_EQ(Record("order:1", token + 1).reason(), "STALE_FENCING_TOKEN");
  EXPECT_EQ(Renew("order:1", token + 1).reason(), "STALE_FENCING_TOKEN");
  EXPECT_EQ(Release("order:1", token + 1).reason(), "STALE_FENCING_TOKEN");
  EXPECT_EQ(Renew("order:1", token).reason(), "ALREADY_COMPLETED");
}

TEST_P(ResultTest, RecordOnAnAbsentKeyIsRefusedCreatesNothingAndIsKeptInTheAudit) {
  const auto token = MustAcquire("order:1", "a1");
  ASSERT_TRUE(Release("order:1", token).ok());
  const auto reply = Record("order:1", token);
  EXPECT_EQ(reply.reason(), "KEY_UNKNOWN");
  EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Renew("order:1", token).reason(), "KEY_UNKNOWN");
  const auto record = Get("order:1");
  EXPECT_EQ(record.state(), State::ABSENT);
  ASSERT_EQ(record.audit_size(), 1);
  EXPECT_EQ(record.audit(0).action(), "RecordResult");
  EXPECT_THAT(record.audit(0).detail(), testing::HasSubstr("pay_1"));
  EXPECT_EQ(Acquire("order:1", "a2")->grant().mode(), v1::Grant::EXECUTE);
}

TEST_P(ResultTest, RecordWithATokenThatWasNeverIssuedLeavesNoTrace) {
  EXPECT_EQ(Record("order:1", 1'000'000'000'000).reason(), "KEY_UNKNOWN");
  EXPECT_EQ(Get("order:1").audit_size(), 0);
}

TEST_P(ResultTest, EmptyAndBinaryPayloadsRoundTrip) {
  for (const std::string& payload :
       {std::string(), std::string("\0\xff\x01", 3), std::string(64 * 1024, 'x')}) {
    const std::string key = "order:" + std::to_string(payload.size());
    const auto token = MustAcquire(key, "a1");
    ASSERT_TRUE(Record(key, token, [&](auto& request) { request.set_payload(payload); }).ok());
    const auto result = Acquire(key, "a2")->completed().result();
    EXPECT_EQ(result.payload(), payload);
    EXPECT_EQ(result.payload_digest(), Sha256(payload));
    EXPECT_FALSE(result.body_omitted());
  }
}

TEST_P(ResultTest, PayloadOverTheLimitIsOmittedAndTheOutcomeIsKept) {
  const auto token = MustAcquire("order:1", "a1");
  const std::string payload(64 * 1024 + 1, 'x');
  const auto with = [&](v1::RecordResultRequest& request) { request.set_payload(payload); };
  const auto recorded = Record("order:1", token, with);
  ASSERT_TRUE(recorded.ok()) << recorded.reason();
  EXPECT_TRUE(recorded->result().body_omitted());
  const auto result = Acquire("order:1", "a2")->completed().result();
  EXPECT_TRUE(result.body_omitted());
  EXPECT_FALSE(result.body_expired());
  EXPECT_EQ(result.payload(), "");
  EXPECT_EQ(result.payload_digest(), Sha256(payload));
  EXPECT_EQ(result.provider_reference(), "pay_1");
  EXPECT_TRUE(Record("order:1", token, with)->already_recorded());
}

TEST_P(ResultTest, FiveMegabytesAreNoReasonToLoseAnOutcome) {
  const auto token = MustAcquire("order:1", "a1");
  const auto recorded = Record("order:1", token, [](auto& request) {
    request.set_payload(std::string(5 * 1024 * 1024, 'x'));
  });
  ASSERT_TRUE(recorded.ok()) << recorded.reason();
  EXPECT_TRUE(recorded->result().body_omitted());
}

TEST_P(ResultTest, LongCodeReferenceAndContentTypeAreCutAndMarked) {
  const auto at_limit = MustAcquire("order:1", "a1");
  ASSERT_TRUE(Record("order:1", at_limit, [](auto& request) {
                request.set_provider_reference(std::string(256, 'r'));
                request.set_code(std::string(64, 'c'));
                request.set_content_type(std::string(128, 't'));
              }).ok());
  EXPECT_FALSE(Get("order:1").result().truncated());

  const auto token = MustAcquire("order:2", "a1");
  const auto too_long = [](v1::RecordResultRequest& request) {
    request.set_provider_reference(std::string(257, 'r'));
    request.set_code(std::string(63, 'c') + "\u00e9");  // the limit falls into a character
    request.set_content_type(std::string(129, 't'));
  };
  ASSERT_TRUE(Record("order:2", token, too_long).ok());
  const auto result = Get("order:2").result();
  EXPECT_TRUE(result.truncated());
  EXPECT_EQ(result.provider_reference(), std::string(256, 'r'));
  EXPECT_EQ(result.code(), std::string(63, 'c'));
  EXPECT_EQ(result.content_type(), std::string(128, 't'));
  EXPECT_TRUE(Record("order:2", token, too_long)->already_recorded());
}

TEST_P(ResultTest, CheckNeverCreates) {
  const auto reply = Check("order:1");
  EXPECT_EQ(reply->state(), State::ABSENT);
  EXPECT_EQ(reply->attempt_number(), 0u);
  EXPECT_EQ(List()->records_size(), 0);
}

TEST_P(ResultTest, CheckShowsHolderAndResult) {
  const auto token =
      MustAcquire("order:1", "a1", [](auto& request) { request.set_holder_id("worker-1"); });
  const auto held = Check("order:1");
  EXPECT_EQ(held->state(), State::HELD);
  EXPECT_EQ(held->holder_id(), "worker-1");
  EXPECT_EQ(held->attempt_number(), 1u);
  EXPECT_FALSE(held->has_result());
  ASSERT_TRUE(Record("order:1", token).ok());
  const auto done = Check("order:1");
  EXPECT_EQ(done->state(), State::COMPLETED);
  EXPECT_EQ(done->result().provider_reference(), "pay_1");
}

}  // namespace
}  // namespace latchkey
