// What operators see and may do.

#include "server/machine/proto_time.h"
#include "tests/behaviour/behaviour_fixture.h"

namespace latchkey {
namespace {

using AdminTest = BehaviourTest;
RUN_OVER_EVERY_STORE(AdminTest);

using Resolution = v1::ResolveOutcomeRequest;

const auto kRecover = [](v1::AcquireLockRequest& request) { request.set_accept_recover(true); };

TEST_P(AdminTest, GetRecordShowsAllThatIsKnown) {
  const auto token =
      MustAcquire("order:1", "a1", [](auto& request) { request.set_holder_id("worker-1"); });
  ASSERT_TRUE(Renew("order:1", token, [](auto& request) {
                request.set_effect_started(true);
                request.set_checkpoint("charging");
              }).ok());
  const auto record = Get("order:1");
  EXPECT_EQ(record.namespace_(), "default");
  EXPECT_EQ(record.key(), "order:1");
  EXPECT_EQ(record.state(), State::HELD);
  EXPECT_EQ(record.fencing_token(), token);
  EXPECT_EQ(record.holder_id(), "worker-1");
  EXPECT_EQ(record.attempt_id(), "a1");
  EXPECT_EQ(record.attempt_number(), 1u);
  EXPECT_EQ(record.mode(), v1::Grant::EXECUTE);
  EXPECT_GT(*FromProto(record.lease_remaining()), 25s);
  EXPECT_TRUE(record.effect_started());
  EXPECT_EQ(record.checkpoint(), "charging");
  EXPECT_NE(record.downstream_idempotency_key(), "");
  EXPECT_TRUE(record.has_created_at());
  EXPECT_TRUE(record.has_state_since());
}

TEST_P(AdminTest, DoubtResolvedAsSucceededCompletesTheKeyAndWakesWaiters) {
  const auto token = MakeDoubtful("order:1");
  auto waiting = AcquireAsync(
      "order:1", "a2", [](auto& request) { request.mutable_wait_timeout()->set_seconds(60); });
  AwaitWaiters("order:1", 1);
  const auto resolved = Resolve("order:1", token, Resolution::SUCCEEDED);
  ASSERT_TRUE(resolved.ok()) << resolved.reason();
  EXPECT_EQ(resolved->record().state(), State::COMPLETED);
  EXPECT_EQ(waiting.get()->completed().result().outcome(), v1::Result::SUCCEEDED);
  const auto record = Get("order:1");
  ASSERT_EQ(record.audit_size(), 1);
  EXPECT_EQ(record.audit(0).action(), "ResolveOutcome");
  EXPECT_EQ(record.audit(0).actor(), "oncall@example.com");
  EXPECT_EQ(record.audit(0).reason(), "checked with the provider");
  EXPECT_EQ(record.audit(0).fencing_token(), token);
  EXPECT_TRUE(Resolve("order:1", token, Resolution::SUCCEEDED).ok());
  EXPECT_EQ(Get("order:1").audit_size(), 1);
  EXPECT_EQ(Resolve("order:1", token, Resolution::REJECTED).reason(), "NOT_IN_DOUBT");
}

TEST_P(AdminTest, DoubtResolvedAsNotExecutedFreesTheKey) {
  const auto token = MakeDoubtful("order:1");
  auto waiting = AcquireAsync(
      "order:1", "a2", [](auto& request) { request.mutable_wait_timeout()->set_seconds(60); });
  AwaitWaiters("order:1", 1);
  const auto resolved = Resolve("order:1", token, Resolution::NOT_EXECUTED);
  ASSERT_TRUE(resolved.ok()) << resolved.reason();
  EXPECT_EQ(waiting.get()->grant().mode(), v1::Grant::EXECUTE);
  EXPECT_EQ(Get("order:1").audit_size(), 1);
}

TEST_P(AdminTest, RejectedCompletesToo) {
  const auto token = MakeDoubtful("order:1");
  ASSERT_TRUE(Resolve("order:1", token, Resolution::REJECTED).ok());
  EXPECT_EQ(Acquire("order:1", "a2")->completed().result().outcome(), v1::Result::REJECTED);
}

TEST_P(AdminTest, OnlyDoubtCanBeResolvedAndOnlyWithTheNewestToken) {
  EXPECT_EQ(Resolve("order:9", 1, Resolution::SUCCEEDED).reason(), "NOT_IN_DOUBT");
  const auto held = MustAcquire("order:1", "a1");
  EXPECT_EQ(Resolve("order:1", held, Resolution::SUCCEEDED).reason(), "NOT_IN_DOUBT");
  const auto stale = MakeDoubtful("order:2");
  EXPECT_EQ(Resolve("order:2", stale + 100, Resolution::SUCCEEDED).reason(), "STALE_FENCING_TOKEN");
  const auto token = MustAcquire("order:2", "a2", kRecover);
  ASSERT_TRUE(Release("order:2", token, v1::ReleaseRequest::UNKNOWN).ok());
  EXPECT_EQ(Resolve("order:2", stale, Resolution::SUCCEEDED).reason(), "STALE_FENCING_TOKEN");
  EXPECT_TRUE(Resolve("order:2", token, Resolution::SUCCEEDED).ok());
}

TEST_P(AdminTest, ForceReleaseIsALapseNow) {
  const auto token = MustAcquire("order:1", "a1");
  auto waiting = AcquireAsync("order:1", "a2", [](auto& request) {
    request.mutable_wait_timeout()->set_seconds(60);
    request.set_accept_recover(true);
  });
  AwaitWaiters("order:1", 1);
  EXPECT_EQ(ForceRelease("order:1", token + 7).reason(), "STALE_FENCING_TOKEN");
  const auto forced = ForceRelease("order:1", token);
  ASSERT_TRUE(forced.ok()) << forced.reason();
  EXPECT_EQ(forced->state(), State::IN_DOUBT);
  EXPECT_GT(*FromProto(forced->unsafe_for()), 25s);
  const auto granted = waiting.get();
  EXPECT_EQ(granted->grant().mode(), v1::Grant::RECOVER);
  EXPECT_GT(granted->grant().fencing_token(), token);
  EXPECT_EQ(Get("order:1").audit(0).action(), "ForceRelease");
}

TEST_P(AdminTest, HolderThatWasForcedOutIsStillHeard) {
  const auto token = MustAcquire("order:1", "a1");
  ASSERT_TRUE(ForceRelease("order:1", token).ok());
  EXPECT_TRUE(ForceRelease("order:1", token).ok());
  EXPECT_EQ(Get("order:1").audit_size(), 1);
  EXPECT_EQ(Renew("order:1", token).reason(), "LEASE_EXPIRED");
  EXPECT_TRUE(Record("order:1", token)->late());
}

TEST_P(AdminTest, ForcedOutMutexIsFree) {
  const auto token = MustAcquire(
      "mutex", "a1", [](auto& request) { request.set_on_lapse(v1::AcquireLockRequest::FORGET); });
  EXPECT_EQ(ForceRelease("mutex", token)->state(), State::ABSENT);
  EXPECT_TRUE(ForceRelease("mutex", token).ok());
  EXPECT_EQ(Get("mutex").audit_size(), 1);
  EXPECT_EQ(Acquire("mutex", "a2")->grant().mode(), v1::Grant::EXECUTE);
  EXPECT_EQ(Get("mutex").audit_size(), 1);
}

TEST_P(AdminTest, OnlyCompletedRecordsCanBeDeleted) {
  const auto held = MustAcquire("order:1", "a1");
  EXPECT_EQ(Delete("order:1", held).reason(), "RECORD_LIVE");
  const auto doubtful = MakeDoubtful("order:2");
  EXPECT_EQ(Delete("order:2", doubtful).reason(), "RECORD_LIVE");
  ASSERT_TRUE(Record("order:1", held).ok());
  EXPECT_EQ(Delete("order:1", held + 100).reason(), "STALE_FENCING_TOKEN");
  ASSERT_TRUE(Delete("order:1", held).ok());
  EXPECT_TRUE(Delete("order:1", held).ok());
  const auto record = Get("order:1");
  EXPECT_EQ(record.state(), State::ABSENT);
  ASSERT_EQ(record.audit_size(), 1);
  EXPECT_EQ(record.audit(0).action(), "DeleteRecord");
  EXPECT_GT(MustAcquire("order:1", "a2"), held);
}

TEST_P(AdminTest, ListRecordsFilters) {
  const auto done = MustAcquire("order:1", "a1", [](auto& r) { r.set_holder_id("worker-1"); });
  ASSERT_TRUE(Record("order:1", done).ok());
  MustAcquire("order:2", "a1", [](auto& r) { r.set_holder_id("worker-2"); });
  MakeDoubtful("parcel:1");
  MustAcquire("order:1", "a1", [](auto& r) { r.set_namespace_("other"); });
  const auto keys = [&](const Change<v1::ListRecordsRequest>& change) {
    std::vector<std::string> found;
    const auto page = List(change);
    for (const auto& record : page->records()) found.push_back(record.key());
    return found;
  };
  using testing::ElementsAre;
  EXPECT_THAT(keys({}), ElementsAre("order:1", "order:2", "parcel:1"));
  EXPECT_THAT(keys([](auto& r) { r.set_key_prefix("order:"); }), ElementsAre("order:1", "order:2"));
  EXPECT_THAT(keys([](auto& r) { r.set_state(State::HELD); }), ElementsAre("order:2"));
  EXPECT_THAT(keys([](auto& r) { r.set_state(State::IN_DOUBT); }), ElementsAre("parcel:1"));
  EXPECT_THAT(keys([](auto& r) { r.set_state(State::COMPLETED); }), ElementsAre("order:1"));
  EXPECT_THAT(keys([](auto& r) { r.set_state(State::ABSENT); }), ElementsAre());
  EXPECT_THAT(keys([](auto& r) { r.set_holder_id("worker-2"); }), ElementsAre("order:2"));
  EXPECT_THAT(keys([](auto& r) { r.set_namespace_("other"); }), ElementsAre("order:1"));
  EXPECT_THAT(keys([](auto& r) { r.mutable_older_than()->set_seconds(3600); }), ElementsAre());
  clock().Advance(2h);
  EXPECT_THAT(keys([](auto& r) {
                r.mutable_older_than()->set_seconds(3600);
                r.set_state(State::IN_DOUBT);
              }),
              ElementsAre("parcel:1"));
}

TEST_P(AdminTest, ListRecordsGoesPageByPage) {
  for (int i = 0; i < 25; ++i) {
    const std::string key = "order:" + std::to_string(100 + i);
    const auto token = MustAcquire(key, "a1");
    if (i % 3 == 0) {
      ASSERT_TRUE(Record(key, token).ok());
    }
  }
  std::vector<std::string> keys;
  std::string page_token;
  int pages = 0;
  do {
    const auto page = List([&](auto& request) {
      request.set_page_size(10);
      request.set_page_token(page_token);
    });
    ASSERT_TRUE(page.ok()) << page.reason();
    EXPECT_LE(page->records_size(), 10);
    for (const auto& record : page->records()) keys.push_back(record.key());
    page_token = page->next_page_token();
    ++pages;
  } while (!page_token.empty() && pages < 10);
  EXPECT_EQ(keys.size(), 25u);
  EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(List([](auto& r) { r.set_page_token("nonsense!"); }).reason(), "PAGE_TOKEN_MALFORMED");
}

TEST_P(AdminTest, ListedHeldRecordsShowLeaseAndWaiters) {
  MustAcquire("order:1", "a1");
  auto waiting = AcquireAsync(
      "order:1", "a2", [](auto& request) { request.mutable_wait_timeout()->set_seconds(60); });
  AwaitWaiters("order:1", 1);
  const auto listed = List();
  ASSERT_EQ(listed->records_size(), 1);
  EXPECT_EQ(listed->records(0).waiters(), 1u);
  EXPECT_GT(*FromProto(listed->records(0).lease_remaining()), 20s);
  ASSERT_TRUE(Record("order:1", listed->records(0).fencing_token()).ok());
  waiting.get();
}

TEST_P(AdminTest, ServerStatusShowsLimitsAndCounts) {
  const auto token = MustAcquire("order:1", "a1");
  MakeDoubtful("order:2");
  v1::GetServerStatusResponse status;
  const auto as_heard = [&] {
    grpc::ClientContext context;
    EXPECT_TRUE(admin().GetServerStatus(&context, v1::GetServerStatusRequest(), &status).ok());
    return status.namespaces_size() > 0 && status.namespaces(0).in_doubt() > 0;
  };
  // A shared store tells of what was committed a moment later.
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!as_heard() && std::chrono::steady_clock::now() < until) {
  }
  EXPECT_TRUE(status.serving());
  EXPECT_NE(status.version(), "");
  EXPECT_EQ(status.store(), GetParam());
  EXPECT_GE(status.fencing_token(), token + 1);
  const Limits limits;
  EXPECT_EQ(status.limits().key_bytes(), limits.key_bytes);
  EXPECT_EQ(status.limits().waiters_per_key(), limits.waiters_per_key);
  EXPECT_EQ(*FromProto(status.limits().lease_duration_max()), limits.lease_duration_max);
  ASSERT_EQ(status.namespaces_size(), 2);
  EXPECT_EQ(status.namespaces(0).name(), "default");
  EXPECT_EQ(status.namespaces(0).held(), 1u);
  EXPECT_EQ(status.namespaces(0).in_doubt(), 1u);
  EXPECT_EQ(status.namespaces(1).name(), "*");
}

}  // namespace
}  // namespace latchkey
