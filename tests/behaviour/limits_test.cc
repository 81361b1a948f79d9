// Every limit at the limit and one past it, and everything that a request can have wrong. Nothing
// is stored for a call that is refused.

#include "server/machine/proto_time.h"
#include "tests/behaviour/behaviour_fixture.h"

namespace latchkey {
namespace {

using LimitsTest = BehaviourTest;
RUN_OVER_EVERY_STORE(LimitsTest);

using Acquisition = v1::AcquireLockRequest;

std::string Key(std::size_t size) { return std::string(size, 'k'); }

TEST_P(LimitsTest, KeyLength) {
  EXPECT_TRUE(Acquire(Key(1), "a1")->has_grant());
  EXPECT_TRUE(Acquire(Key(255), "a1")->has_grant());
  EXPECT_EQ(Acquire(Key(256), "a1").reason(), "KEY_TOO_LONG");
  EXPECT_EQ(Acquire("", "a1").reason(), "KEY_REQUIRED");
}

TEST_P(LimitsTest, KeyCharacters) {
  EXPECT_TRUE(Acquire("!#$%~}", "a1")->has_grant());
  for (const char* key : {"a b", "a\tb", "a\x7f", "caf\u00e9"}) {
    const auto reply = Acquire(key, "a1");
    EXPECT_EQ(reply.reason(), "KEY_MALFORMED") << key;
    EXPECT_EQ(reply.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(reply.info().metadata().at("field"), "key");
  }
}

TEST_P(LimitsTest, NamespaceLengthAndCharacters) {
  const auto in = [](const std::string& name) {
    return [name](auto& request) { request.set_namespace_(name); };
  };
  EXPECT_TRUE(Acquire("k", "a1", in(std::string(64, 'n')))->has_grant());
  EXPECT_EQ(Acquire("k", "a1", in(std::string(65, 'n'))).reason(), "NAMESPACE_TOO_LONG");
  EXPECT_TRUE(Acquire("k", "a1", in("aZ09._:/@-"))->has_grant());
  EXPECT_EQ(Acquire("k", "a1", in("a b")).reason(), "NAMESPACE_MALFORMED");
  EXPECT_EQ(Check("k", in("*")).reason(), "NAMESPACE_MALFORMED");
}

TEST_P(LimitsTest, AttemptAndHolder) {
  EXPECT_EQ(Acquire("k", "").reason(), "ATTEMPT_ID_REQUIRED");
  EXPECT_TRUE(Acquire("k1", std::string(128, 'a'))->has_grant());
  EXPECT_EQ(Acquire("k2", std::string(129, 'a')).reason(), "ATTEMPT_ID_TOO_LONG");
  EXPECT_EQ(Acquire("k2", "a b").reason(), "ATTEMPT_ID_MALFORMED");
  const auto held_by = [](const std::string& holder) {
    return [holder](auto& request) { request.set_holder_id(holder); };
  };
  EXPECT_TRUE(Acquire("k2", "a1", held_by(std::string(128, 'h')))->has_grant());
  EXPECT_EQ(Acquire("k3", "a1", held_by(std::string(129, 'h'))).reason(), "HOLDER_ID_TOO_LONG");
  EXPECT_EQ(Acquire("k3", "a1", held_by("a b")).reason(), "HOLDER_ID_MALFORMED");
  EXPECT_EQ(Check("k3")->state(), State::ABSENT);
}

TEST_P(LimitsTest, Fingerprint) {
  const auto with = [](std::size_t size) {
    return [size](auto& request) { request.set_fingerprint(std::string(size, 'f')); };
  };
  EXPECT_TRUE(Acquire("k1", "a1", with(64))->has_grant());
  EXPECT_EQ(Acquire("k2", "a1", with(65)).reason(), "FINGERPRINT_TOO_LONG");
  EXPECT_EQ(Check("k2", with(65)).reason(), "FINGERPRINT_TOO_LONG");
}

TEST_P(LimitsTest, LeaseDuration) {
  const auto lease = [](Duration duration) {
    return [duration](auto& request) { SetProto(duration, request.mutable_lease_duration()); };
  };
  const auto clear = [](Acquisition& request) { request.clear_lease_duration(); };
  EXPECT_EQ(Acquire("k", "a1", clear).reason(), "LEASE_DURATION_OUT_OF_RANGE");
  EXPECT_EQ(Acquire("k", "a1", lease(0s)).reason(), "LEASE_DURATION_OUT_OF_RANGE");
  EXPECT_EQ(Acquire("k", "a1", lease(-1s)).reason(), "LEASE_DURATION_OUT_OF_RANGE");
  EXPECT_EQ(Acquire("k", "a1", lease(100ms - 1ns)).reason(), "LEASE_DURATION_OUT_OF_RANGE");
  EXPECT_EQ(Acquire("k", "a1", lease(15min + 1ns)).reason(), "LEASE_DURATION_OUT_OF_RANGE");
  EXPECT_EQ(Check("k")->state(), State::ABSENT);
  EXPECT_TRUE(Acquire("k1", "a1", lease(100ms))->has_grant());
  const auto token = MustAcquire("k2", "a1", lease(15min));
  EXPECT_EQ(Renew("k2", token, lease(15min + 1ns)).reason(), "LEASE_DURATION_OUT_OF_RANGE");
  EXPECT_TRUE(Renew("k2", token, lease(15min)).ok());
}

TEST_P(LimitsTest, WaitTimeout) {
  const auto wait = [](Duration duration) {
    return [duration](auto& request) { SetProto(duration, request.mutable_wait_timeout()); };
  };
  EXPECT_EQ(Acquire("k", "a1", wait(-1ns)).reason(), "WAIT_TIMEOUT_OUT_OF_RANGE");
  EXPECT_EQ(Acquire("k", "a1", wait(60s + 1ns)).reason(), "WAIT_TIMEOUT_OUT_OF_RANGE");
  EXPECT_EQ(Check("k", wait(61s)).reason(), "WAIT_TIMEOUT_OUT_OF_RANGE");
  EXPECT_TRUE(Acquire("k", "a1", wait(60s))->has_grant());
}

TEST_P(LimitsTest, Checkpoint) {
  const auto token = MustAcquire("k", "a1");
  const auto with = [](std::size_t size) {
    return [size](auto& request) { request.set_checkpoint(std::string(size, 'c')); };
  };
  EXPECT_TRUE(Renew("k", token, with(4096)).ok());
  EXPECT_EQ(Renew("k", token, with(4097)).reason(), "CHECKPOINT_TOO_LONG");
  EXPECT_EQ(Get("k").checkpoint().size(), 4096u);
}

TEST_P(LimitsTest, RequiredFields) {
  MustAcquire("k", "a1");
  EXPECT_EQ(Renew("k", 0).reason(), "FENCING_TOKEN_REQUIRED");
  EXPECT_EQ(Record("k", 0).reason(), "FENCING_TOKEN_REQUIRED");
  EXPECT_EQ(Release("k", 0).reason(), "FENCING_TOKEN_REQUIRED");
  EXPECT_EQ(
      Record("k", 1, [](auto& request) { request.set_outcome(v1::Result::OUTCOME_UNSPECIFIED); })
          .reason(),
      "OUTCOME_REQUIRED");
  EXPECT_EQ(Resolve("k", 1, v1::ResolveOutcomeRequest::OUTCOME_UNSPECIFIED).reason(),
            "OUTCOME_REQUIRED");
  EXPECT_EQ(Resolve("k", 0, v1::ResolveOutcomeRequest::SUCCEEDED).reason(),
            "EXPECTED_FENCING_TOKEN_REQUIRED");
  EXPECT_EQ(ForceRelease("k", 0).reason(), "EXPECTED_FENCING_TOKEN_REQUIRED");
  EXPECT_EQ(Delete("k", 0).reason(), "EXPECTED_FENCING_TOKEN_REQUIRED");
  grpc::ClientContext no_actor, no_reason;
  v1::ForceReleaseRequest request;
  v1::ForceReleaseResponse response;
  request.set_key("k");
  request.set_expected_fencing_token(1);
  auto refused = admin().ForceRelease(&no_actor, request, &response);
  EXPECT_EQ(ErrorInfoOf(refused)->reason(), "ACTOR_REQUIRED");
  request.set_actor("somebody");
  refused = admin().ForceRelease(&no_reason, request, &response);
  EXPECT_EQ(ErrorInfoOf(refused)->reason(), "REASON_REQUIRED");
}

TEST_P(LimitsTest, UnknownEnumValues) {
  EXPECT_EQ(Acquire("k", "a1",
                    [](Acquisition& request) {
                      request.set_on_lapse(static_cast<Acquisition::OnLapse>(99));
                    })
                .reason(),
            "ON_LAPSE_MALFORMED");
  EXPECT_EQ(Record("k", 1,
                   [](auto& request) { request.set_outcome(static_cast<v1::Result::Outcome>(99)); })
                .reason(),
            "OUTCOME_MALFORMED");
  EXPECT_EQ(Release("k", 1, static_cast<v1::ReleaseRequest::Effect>(99)).reason(),
            "EFFECT_MALFORMED");
}

TEST_P(LimitsTest, MalformedIsRefusedBeforeAnythingIsLookedUp) {
  const auto token = MustAcquire("k", "a1", [](auto& request) { request.set_fingerprint("f"); });
  ASSERT_TRUE(Record("k", token).ok());
  const auto reply = Acquire("k", "a2", [](Acquisition& request) {
    request.set_fingerprint("other");
    request.clear_lease_duration();
  });
  EXPECT_EQ(reply.reason(), "LEASE_DURATION_OUT_OF_RANGE");
}

TEST_P(LimitsTest, WaitersOnOneKey) {
  StartServer([](ServerOptions& options) { options.limits.waiters_per_key = 2; });
  const auto wait = [](auto& request) { request.mutable_wait_timeout()->set_seconds(60); };
  const auto token = MustAcquire("k", "a0");
  auto first = AcquireAsync("k", "a1", wait);
  AwaitWaiters("k", 1);
  auto second = AcquireAsync("k", "a2", wait);
  AwaitWaiters("k", 2);
  const auto refused = Acquire("k", "a3", wait);
  EXPECT_EQ(refused.reason(), "WAITERS_LIMIT");
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Check("k", wait).reason(), "WAITERS_LIMIT");
  ASSERT_TRUE(Record("k", token).ok());
  EXPECT_TRUE(first.get()->has_completed());
  EXPECT_TRUE(second.get()->has_completed());
}

TEST_P(LimitsTest, WaitersInAll) {
  StartServer([](ServerOptions& options) { options.limits.waiters_total = 1; });
  const auto wait = [](auto& request) { request.mutable_wait_timeout()->set_seconds(60); };
  const auto token = MustAcquire("k1", "a0");
  MustAcquire("k2", "a0");
  auto first = AcquireAsync("k1", "a1", wait);
  AwaitWaiters("k1", 1);
  EXPECT_EQ(Acquire("k2", "a1", wait).reason(), "WAITERS_LIMIT");
  ASSERT_TRUE(Record("k1", token).ok());
  EXPECT_TRUE(first.get()->has_completed());
}

TEST_P(LimitsTest, QuotaRefusesOnlyNewRecords) {
  StartServer([](ServerOptions& options) {
    NamespaceSettings small;
    small.live_records_max = 2;
    options.namespaces = Namespaces(small, {});
  });
  const auto doubtful = MakeDoubtful("k1");
  const auto token = MustAcquire("k2", "a1");
  const auto refused = Acquire("k3", "a1");
  EXPECT_EQ(refused.reason(), "QUOTA_EXCEEDED");
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(Acquire("k2", "a1")->grant().replayed());
  EXPECT_TRUE(Renew("k2", token).ok());
  EXPECT_TRUE(
      Acquire("k1", "a2", [](auto& request) { request.set_accept_recover(true); })->has_grant());
  EXPECT_EQ(Record("k1", doubtful).reason(), "STALE_FENCING_TOKEN");
  ASSERT_TRUE(Record("k2", token).ok());
  EXPECT_TRUE(Acquire("k3", "a2")->has_grant());
}

TEST_P(LimitsTest, PayloadLimitCanBeRaised) {
  StartServer([](ServerOptions& options) { options.limits.payload_bytes = kPayloadBytesMax; });
  const auto token = MustAcquire("k", "a1");
  const std::string payload(kPayloadBytesMax, 'x');
  ASSERT_TRUE(Record("k", token, [&](auto& request) { request.set_payload(payload); }).ok());
  EXPECT_EQ(Acquire("k", "a2")->completed().result().payload().size(), payload.size());
}

TEST_P(LimitsTest, ManyWaitersGetALargeResultWithinTheReplyBudget) {
  StartServer([](ServerOptions& options) {
    options.limits.payload_bytes = kPayloadBytesMax;
    options.limits.reply_bytes_in_flight = 2 * kPayloadBytesMax;
  });
  const auto token = MustAcquire("k", "a0");
  std::vector<std::future<Reply<v1::AcquireLockResponse>>> calls;
  for (int i = 0; i < 30; ++i) {
    calls.push_back(AcquireAsync("k", "w" + std::to_string(i), [](auto& request) {
      request.mutable_wait_timeout()->set_seconds(60);
    }));
  }
  AwaitWaiters("k", 30);
  const std::string payload(kPayloadBytesMax, 'x');
  ASSERT_TRUE(Record("k", token, [&](auto& request) { request.set_payload(payload); }).ok());
  for (auto& call : calls) EXPECT_EQ(call.get()->completed().result().payload(), payload);
}

// A reply that does not fit is thrown away and decided again when its turn has come, which shows.
TEST_P(LimitsTest, LargeRepliesOfACompletedKeyQueueForTheReplyBudget) {
  StartServer([](ServerOptions& options) { options.limits.reply_bytes_in_flight = 100'000; });
  const std::string payload(64 * 1024, 'x');
  ASSERT_TRUE(Record("k", MustAcquire("k", "a1"), [&](auto& r) { r.set_payload(payload); }).ok());
  // Only one fits at a time; each is decided when it does.
  const auto at_once = [&](const std::function<void(int)>& call) {
    constexpr int kCallers = 8;
    constexpr int kCalls = 20;
    const int before = observer().steps();
    std::vector<std::future<void>> callers;
    for (int caller = 0; caller < kCallers; ++caller) {
      callers.push_back(std::async(std::launch::async, [&, caller] {
        for (int i = 0; i < kCalls; ++i) call(caller * kCalls + i);
      }));
    }
    for (auto& caller : callers) caller.get();
    EXPECT_EQ(observer().steps() - before, kCallers * kCalls);
  };
  at_once([&](int) { EXPECT_EQ(Check("k")->result().payload(), payload); });
  at_once([&](int i) {
    EXPECT_EQ(Acquire("k", "b" + std::to_string(i))->completed().result().payload(), payload);
  });
  at_once([&](int) { EXPECT_EQ(Get("k").result().payload(), payload); });
  EXPECT_EQ(List()->records(0).result().payload(), payload);
}

}  // namespace
}  // namespace latchkey
