// What a grant is, who gets one, and what repeating the call answers.

#include <set>

#include "server/machine/proto_time.h"
#include "tests/behaviour/behaviour_fixture.h"

namespace latchkey {
namespace {

using GrantTest = BehaviourTest;
RUN_OVER_EVERY_STORE(GrantTest);

TEST_P(GrantTest, NewKeyIsGrantedForExecution) {
  const auto reply = Acquire("order:1", "a1");
  ASSERT_TRUE(reply->has_grant()) << reply.reason();
  const auto& grant = reply->grant();
  EXPECT_GT(grant.fencing_token(), 0u);
  EXPECT_EQ(grant.mode(), v1::Grant::EXECUTE);
  EXPECT_EQ(grant.recover_action(), v1::Grant::RECOVER_ACTION_UNSPECIFIED);
  EXPECT_EQ(grant.attempt_number(), 1u);
  EXPECT_FALSE(grant.replayed());
  EXPECT_EQ(grant.previous_holder_id(), "");
  EXPECT_GT(*FromProto(grant.lease_remaining()), 29s);
  EXPECT_LE(*FromProto(grant.lease_remaining()), 30s);
  EXPECT_GT(*FromProto(reply->server_elapsed()), 0s);
}

TEST_P(GrantTest, RepeatedCallGetsTheSameGrantAndTheLeaseIsNotExtended) {
  const auto first = Acquire("order:1", "a1");
  const auto again = Acquire("order:1", "a1");
  ASSERT_TRUE(again->has_grant());
  EXPECT_TRUE(again->grant().replayed());
  EXPECT_EQ(again->grant().fencing_token(), first->grant().fencing_token());
  EXPECT_EQ(again->grant().attempt_number(), 1u);
  EXPECT_EQ(again->grant().mode(), v1::Grant::EXECUTE);
  EXPECT_LT(*FromProto(again->grant().lease_remaining()),
            *FromProto(first->grant().lease_remaining()));
}

TEST_P(GrantTest, ReplayAfterTheTokenWasUsedSaysRecover) {
  const auto token = MustAcquire("order:1", "a1");
  ASSERT_TRUE(Renew("order:1", token).ok());
  const auto again = Acquire("order:1", "a1");
  ASSERT_TRUE(again->has_grant());
  EXPECT_EQ(again->grant().fencing_token(), token);
  EXPECT_EQ(again->grant().mode(), v1::Grant::RECOVER);
}

TEST_P(GrantTest, SameAttemptOfAnotherHolderDoesNotShareTheHold) {
  MustAcquire("order:1", "a1", [](auto& request) { request.set_holder_id("worker-1"); });
  const auto other =
      Acquire("order:1", "a1", [](auto& request) { request.set_holder_id("worker-2"); });
  EXPECT_TRUE(other->has_contention());
}

TEST_P(GrantTest, AnotherAttemptOfTheHolderIsContention) {
  MustAcquire("order:1", "a1", [](auto& request) { request.set_holder_id("worker-1"); });
  const auto other =
      Acquire("order:1", "a2", [](auto& request) { request.set_holder_id("worker-1"); });
  ASSERT_TRUE(other->has_contention());
  EXPECT_EQ(other->contention().holder_id(), "worker-1");
}

TEST_P(GrantTest, TokensRiseAcrossKeysAndNamespaces) {
  std::uint64_t last = 0;
  for (int i = 0; i < 50; ++i) {
    const auto token = MustAcquire("order:" + std::to_string(i), "a", [&](auto& request) {
      request.set_namespace_(i % 2 == 0 ? "one" : "two");
    });
    EXPECT_GT(token, last);
    last = token;
  }
}

TEST_P(GrantTest, TokensRiseThroughReleaseAndDeletion) {
  std::uint64_t last = 0;
  for (int i = 0; i < 5; ++i) {
    const auto token = MustAcquire("order:1", "a" + std::to_string(i));
    EXPECT_GT(token, last);
    last = token;
    if (i % 2 == 0) {
      ASSERT_TRUE(Release("order:1", token).ok());
    } else {
      ASSERT_TRUE(Record("order:1", token).ok());
      ASSERT_TRUE(Delete("order:1", token).ok());
    }
  }
}

TEST_P(GrantTest, SameKeyInTwoNamespacesIsTwoKeys) {
  const auto in = [](const char* name) {
    return [name](auto& request) { request.set_namespace_(name); };
  };
  const auto token = MustAcquire("order:1", "a1", in("shop"));
  ASSERT_TRUE(Record("order:1", token, in("shop")).ok());
  EXPECT_TRUE(Acquire("order:1", "a2", in("warehouse"))->has_grant());
  EXPECT_TRUE(Acquire("order:1", "a3", in("shop"))->has_completed());
  EXPECT_EQ(Check("order:1")->state(), State::ABSENT);
}

TEST_P(GrantTest, EmptyNamespaceIsTheOneNamedDefault) {
  MustAcquire("order:1", "a1");
  const auto named = Check("order:1", [](auto& request) { request.set_namespace_("default"); });
  EXPECT_EQ(named->state(), State::HELD);
}

TEST_P(GrantTest, DownstreamKeyIsTheSameForEverAndCanBeComputed) {
  const auto first = Acquire("order:1", "a1");
  ASSERT_TRUE(Release("order:1", first->grant().fencing_token()).ok());
  const auto second = Acquire("order:1", "a2");
  EXPECT_EQ(first->grant().downstream_idempotency_key(),
            second->grant().downstream_idempotency_key());
  // Python: uuid5(uuid5(uuid5(NAMESPACE_URL, "urn:latchkey"), "default"), "order:123")
  EXPECT_EQ(Acquire("order:123", "a")->grant().downstream_idempotency_key(),
            "d056976f-8e1b-5e57-8e74-6fd53c58d4c4");
  EXPECT_NE(Acquire("order:2", "a")->grant().downstream_idempotency_key(),
            first->grant().downstream_idempotency_key());
}

TEST_P(GrantTest, OneOfAHundredParallelCallsIsGrantedAndAllGetTheResult) {
  StartServer();
  constexpr int kCallers = 100;
  std::vector<std::future<Reply<v1::AcquireLockResponse>>> calls;
  for (int i = 0; i < kCallers; ++i) {
    calls.push_back(AcquireAsync("order:1", "a" + std::to_string(i), [](auto& request) {
      request.mutable_wait_timeout()->set_seconds(60);
    }));
  }
  AwaitWaiters("order:1", kCallers - 1);
  const auto token = Get("order:1").fencing_token();
  ASSERT_TRUE(Record("order:1", token, [](auto& request) { request.set_payload("receipt"); }).ok());
  int granted = 0;
  for (auto& call : calls) {
    const auto reply = call.get();
    ASSERT_TRUE(reply.ok()) << reply.reason();
    if (reply->has_grant()) {
      ++granted;
      EXPECT_EQ(reply->grant().fencing_token(), token);
    } else {
      EXPECT_EQ(reply->completed().result().payload(), "receipt");
    }
  }
  EXPECT_EQ(granted, 1);
}

TEST_P(GrantTest, DifferentKeysDoNotWaitForEachOther) {
  StartServer();
  std::vector<std::future<Reply<v1::AcquireLockResponse>>> calls;
  for (int i = 0; i < 50; ++i) calls.push_back(AcquireAsync("order:" + std::to_string(i), "a"));
  std::set<std::uint64_t> tokens;
  for (auto& call : calls) tokens.insert(call.get()->grant().fencing_token());
  EXPECT_EQ(tokens.size(), 50u);
}

TEST_P(GrantTest, IssuedKeysAreFreshVersion7Uuids) {
  std::set<std::string> keys;
  for (int i = 0; i < 20; ++i) {
    grpc::ClientContext context;
    v1::IssueKeyResponse response;
    ASSERT_TRUE(coordination().IssueKey(&context, v1::IssueKeyRequest(), &response).ok());
    EXPECT_THAT(response.key(), testing::MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab]"
                                                      "[0-9a-f]{3}-[0-9a-f]{12}"));
    keys.insert(response.key());
  }
  EXPECT_EQ(keys.size(), 20u);
  EXPECT_TRUE(Acquire(*keys.begin(), "a1")->has_grant());
}

TEST_P(GrantTest, OtherFingerprintIsRefusedWhileHeldAlsoWhenWaiting) {
  MustAcquire("order:1", "a1", [](auto& request) { request.set_fingerprint("10 EUR"); });
  const auto other = Acquire("order:1", "a2", [](auto& request) {
    request.set_fingerprint("99 EUR");
    request.mutable_wait_timeout()->set_seconds(60);
  });
  EXPECT_EQ(other.reason(), "FINGERPRINT_MISMATCH");
  EXPECT_EQ(other.status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  const auto check = Check("order:1", [](auto& request) { request.set_fingerprint("99 EUR"); });
  EXPECT_EQ(check.reason(), "FINGERPRINT_MISMATCH");
}

TEST_P(GrantTest, OtherFingerprintIsRefusedOnACompletedKeyAndShowsNothing) {
  const auto with = [](const char* fingerprint) {
    return [fingerprint](auto& request) { request.set_fingerprint(fingerprint); };
  };
  const auto token = MustAcquire("order:1", "a1", with("10 EUR"));
  ASSERT_TRUE(Record("order:1", token).ok());
  const auto before = Get("order:1");
  const auto other = Acquire("order:1", "a2", with("99 EUR"));
  EXPECT_EQ(other.reason(), "FINGERPRINT_MISMATCH");
  EXPECT_EQ(other.status.error_details().find("pay_1"), std::string::npos);
  EXPECT_EQ(Get("order:1").SerializeAsString(), before.SerializeAsString());
  EXPECT_TRUE(Acquire("order:1", "a3", with("10 EUR"))->has_completed());
  EXPECT_TRUE(Acquire("order:1", "a4")->has_completed());
}

TEST_P(GrantTest, RunThatWasGivenBackTakesItsFingerprintAlong) {
  const auto with = [](const char* fingerprint) {
    return [fingerprint](auto& request) { request.set_fingerprint(fingerprint); };
  };
  const auto token = MustAcquire("order:1", "a1", with("10 EUR"));
  ASSERT_TRUE(Release("order:1", token, v1::ReleaseRequest::NOT_EXECUTED).ok());
  MustAcquire("order:1", "a2", with("99 EUR"));
  EXPECT_EQ(Acquire("order:1", "a3", with("10 EUR")).reason(), "FINGERPRINT_MISMATCH");
}

}  // namespace
}  // namespace latchkey
