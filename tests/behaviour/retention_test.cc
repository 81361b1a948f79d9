// What is forgotten, when, and what late comers hear.

#include "server/machine/proto_time.h"
#include "tests/behaviour/behaviour_fixture.h"

namespace latchkey {
namespace {

using RetentionTest = BehaviourTest;
RUN_OVER_EVERY_STORE(RetentionTest);

constexpr Duration kDay = 24h;

TEST_P(RetentionTest, PayloadExpiresAndTheRestStays) {
  const auto token = MustAcquire("order:1", "a1");
  ASSERT_TRUE(Record("order:1", token, [](auto& request) { request.set_payload("receipt"); }).ok());
  clock().Advance(73h);
  const auto result = Acquire("order:1", "a2")->completed().result();
  EXPECT_TRUE(result.body_expired());
  EXPECT_EQ(result.payload(), "");
  EXPECT_EQ(result.payload_digest().size(), 32u);
  EXPECT_EQ(result.provider_reference(), "pay_1");
  EXPECT_TRUE(Record("order:1", token, [](auto& request) {
                request.set_payload("receipt");
              })->already_recorded());
}

TEST_P(RetentionTest, CallerMaySayHowLongThePayloadIsKept) {
  const auto token = MustAcquire("order:1", "a1");
  ASSERT_TRUE(Record("order:1", token, [](auto& request) {
                request.set_payload("receipt");
                SetProto(1h, request.mutable_retention());
              }).ok());
  EXPECT_EQ(Acquire("order:1", "a2")->completed().result().payload(), "receipt");
  clock().Advance(61min);
  EXPECT_TRUE(Acquire("order:1", "a3")->completed().result().body_expired());
  // Longer than the key is kept counts as just as long.
  const auto other = MustAcquire("order:2", "a1");
  ASSERT_TRUE(Record("order:2", other, [](auto& request) {
                request.set_payload("receipt");
                SetProto(kDay * 1000, request.mutable_retention());
              }).ok());
  EXPECT_LE(*FromProto(Acquire("order:2", "a2")->completed().body_expires_in()), kDay * 90);
}

TEST_P(RetentionTest, KeyIsRefusedFromItsRetentionOnAndForgottenADayLater) {
  const auto token = MustAcquire("order:1", "a1");
  ASSERT_TRUE(Record("order:1", token).ok());
  clock().Advance(kDay * 90 - 1h);
  EXPECT_TRUE(Acquire("order:1", "a2")->has_completed());
  clock().Advance(2h);
  EXPECT_EQ(Acquire("order:1", "a3").reason(), "KEY_EXPIRED");
  EXPECT_EQ(Check("order:1").reason(), "KEY_EXPIRED");
  EXPECT_EQ(Get("order:1").state(), State::COMPLETED);
  clock().Advance(kDay);
  EXPECT_EQ(Check("order:1")->state(), State::ABSENT);
  EXPECT_EQ(List()->records_size(), 0);
  EXPECT_EQ(Acquire("order:1", "a4")->grant().mode(), v1::Grant::EXECUTE);
}

TEST_P(RetentionTest, LateComerThatSaysSoIsNeverTakenForNew) {
  const auto sent_ago = [&](Duration ago) {
    return [this, ago](auto& request) {
      SetProto(clock().Wall() - ago, request.mutable_first_sent_at());
    };
  };
  EXPECT_EQ(Acquire("order:1", "a1", sent_ago(kDay * 90 + 1min)).reason(), "KEY_EXPIRED");
  EXPECT_EQ(Check("order:1", sent_ago(kDay * 90 + 1min)).reason(), "KEY_EXPIRED");
  EXPECT_EQ(Check("order:1", sent_ago(kDay))->state(), State::ABSENT);
  EXPECT_TRUE(Acquire("order:1", "a2", sent_ago(kDay * 90 - 1min))->has_grant());
}

TEST_P(RetentionTest, FirstSentAtMayBeAnHourAheadAndNoMore) {
  const auto ahead = [&](Duration by) {
    return [this, by](auto& request) {
      SetProto(clock().Wall() + by, request.mutable_first_sent_at());
    };
  };
  EXPECT_TRUE(Acquire("order:1", "a1", ahead(59min))->has_grant());
  EXPECT_EQ(Acquire("order:2", "a1", ahead(61min)).reason(), "FIRST_SENT_AT_OUT_OF_RANGE");
}

TEST_P(RetentionTest, HeldAndDoubtfulRecordsAreNeverForgotten) {
  const auto token = MakeDoubtful("order:1");
  clock().Advance(kDay * 365);
  EXPECT_EQ(Check("order:1")->state(), State::IN_DOUBT);
  EXPECT_TRUE(Record("order:1", token)->late());
}

TEST_P(RetentionTest, NamespaceHasItsOwnRetention) {
  StartServer([](ServerOptions& options) {
    NamespaceSettings brief;
    brief.key_retention = 2h;
    brief.payload_retention = 1h;
    options.namespaces = Namespaces({}, {{"brief", brief}});
  });
  const auto in_brief = [](auto& request) { request.set_namespace_("brief"); };
  const auto token = MustAcquire("order:1", "a1", in_brief);
  ASSERT_TRUE(Record("order:1", token, in_brief).ok());
  const auto other = MustAcquire("order:1", "a1");
  ASSERT_TRUE(Record("order:1", other).ok());
  clock().Advance(3h);
  EXPECT_EQ(Acquire("order:1", "a2", in_brief).reason(), "KEY_EXPIRED");
  EXPECT_TRUE(Acquire("order:1", "a2")->has_completed());
}

TEST_P(RetentionTest, AuditOutlivesADeletedRecordByNinetyDays) {
  const auto token = MustAcquire("order:1", "a1");
  ASSERT_TRUE(Record("order:1", token).ok());
  ASSERT_TRUE(Delete("order:1", token).ok());
  clock().Advance(kDay * 89);
  EXPECT_EQ(Get("order:1").audit_size(), 1);
}

}  // namespace
}  // namespace latchkey
