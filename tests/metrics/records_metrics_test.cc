// What is counted of records, leases and results.

#include "server/machine/proto_time.h"
#include "storage/store_key.h"
#include "tests/metrics/metrics_fixture.h"

namespace latchkey {
namespace {

class RecordsMetricsTest : public MetricsTest {
 protected:
  // Past the end of a lease of 30 s and of what a stall adds to it.
  void LetLeasesLapse() {
    clock().Advance(31s);
    clock().Advance(31s);
  }
  double Lapses(const std::string& started) {
    return Value("latchkey_lapses_total{namespace=\"default\",started=\"" + started + "\"}");
  }
  double LateResults(const std::string& accepted) {
    return Value("latchkey_late_results_total{accepted=\"" + accepted + "\"}");
  }
};
RUN_OVER_EVERY_STORE(RecordsMetricsTest);

TEST_P(RecordsMetricsTest, LiveRecordsAndTheAgeOfTheOldestInDoubt) {
  const auto first = MustAcquire("k1", "a1");
  EXPECT_EQ(Records("HELD"), 1);
  EXPECT_TRUE(Release("k1", first, v1::ReleaseRequest::UNKNOWN).ok());
  EXPECT_EQ(Records("HELD"), 0);
  EXPECT_EQ(Records("IN_DOUBT"), 1);
  EXPECT_LT(OldestAge(), 60);
  clock().Advance(10min);
  const auto second = MustAcquire("k2", "a1");
  EXPECT_TRUE(Release("k2", second, v1::ReleaseRequest::UNKNOWN).ok());
  EXPECT_GE(OldestAge(), 600);
  EXPECT_LT(OldestAge(), 660);
  EXPECT_TRUE(Resolve("k1", first, v1::ResolveOutcomeRequest::SUCCEEDED).ok());
  EXPECT_LT(OldestAge(), 60) << "the older one is settled";
  EXPECT_EQ(Records("IN_DOUBT"), 1);
  EXPECT_TRUE(Acquire("k2", "a2", [](v1::AcquireLockRequest& request) {
                request.set_accept_recover(true);
              })->has_grant());
  EXPECT_EQ(OldestAge(), 0);
  EXPECT_EQ(Records("IN_DOUBT"), 0);
}

TEST_P(RecordsMetricsTest, ARestartKnowsSinceWhenKeysAreInDoubt) {
  if (!durable()) GTEST_SKIP() << "nothing is kept in memory";
  const auto token = MustAcquire("k", "a1");
  EXPECT_TRUE(Release("k", token, v1::ReleaseRequest::UNKNOWN).ok());
  clock().Advance(10min);
  StartMeasured();
  EXPECT_EQ(Records("IN_DOUBT"), 1);
  EXPECT_GE(OldestAge(), 600);
  EXPECT_TRUE(Record("k", token).ok());
  EXPECT_EQ(OldestAge(), 0);
}

TEST_P(RecordsMetricsTest, LapsesByWhetherTheEffectWasStarted) {
  MustAcquire("k1", "a1");
  const auto token = MustAcquire("k2", "a1");
  EXPECT_TRUE(Renew("k2", token, [](v1::RenewLeaseRequest& request) {
                request.set_effect_started(true);
              }).ok());
  LetLeasesLapse();
  AwaitState("k1", State::IN_DOUBT);
  AwaitState("k2", State::IN_DOUBT);
  EXPECT_EQ(Lapses("false"), 1);
  EXPECT_EQ(Lapses("true"), 1);
  EXPECT_EQ(Value("latchkey_lapse_lag_seconds_count"), 2);
  EXPECT_EQ(Value("latchkey_hold_seconds_count"), 2);
  EXPECT_GE(Value("latchkey_hold_seconds_sum"), 120);
}

TEST_P(RecordsMetricsTest, AnOperatorWhoEndsALeaseIsNoLapse) {
  const auto token = MustAcquire("k", "a1");
  EXPECT_TRUE(ForceRelease("k", token).ok());
  EXPECT_EQ(Lapses("false") + Lapses("true"), 0);
  EXPECT_EQ(Value("latchkey_hold_seconds_count"), 1);
}

TEST_P(RecordsMetricsTest, StallsCountTheLeasesThatTheyExtend) {
  MustAcquire("k1", "a1");
  MustAcquire("k2", "a1");
  EXPECT_EQ(Value("latchkey_stall_extensions_total"), 0);
  clock().Advance(2s);
  Await([&] { return Value("latchkey_stall_extensions_total") == 2; }, "two extensions");
}

TEST_P(RecordsMetricsTest, HoldsAreTimedFromGrantToEnd) {
  const auto token = MustAcquire("k", "a1");
  clock().Advance(400ms);
  EXPECT_TRUE(Record("k", token).ok());
  EXPECT_EQ(Value("latchkey_hold_seconds_count"), 1);
  EXPECT_GE(Value("latchkey_hold_seconds_sum"), 0.4);
  EXPECT_EQ(Value("latchkey_hold_seconds_bucket{le=\"0.25\"}"), 0);
}

TEST_P(RecordsMetricsTest, LateResultsThatCountAndThatDoNot) {
  const auto first = MustAcquire("k", "a1");
  EXPECT_TRUE(Release("k", first, v1::ReleaseRequest::UNKNOWN).ok());
  const auto second = MustAcquire(
      "k", "a2", [](v1::AcquireLockRequest& request) { request.set_accept_recover(true); });
  const auto late = [&] {
    return Record("k", first,
                  [](v1::RecordResultRequest& request) {
                    request.set_provider_reference("pay_other");
                  })
        .reason();
  };
  EXPECT_EQ(late(), "STALE_FENCING_TOKEN");
  EXPECT_EQ(LateResults("false"), 1);
  EXPECT_EQ(late(), "STALE_FENCING_TOKEN");
  EXPECT_EQ(LateResults("false"), 1) << "it is known";
  EXPECT_EQ(Value("latchkey_duplicate_effects_suspected_total"), 0);
  EXPECT_TRUE(Release("k", second, v1::ReleaseRequest::UNKNOWN).ok());
  EXPECT_EQ(LateResults("true"), 0);
  EXPECT_TRUE(Record("k", second)->late());
  EXPECT_EQ(LateResults("true"), 1);
  EXPECT_EQ(Value("latchkey_duplicate_effects_suspected_total"), 1);
  EXPECT_TRUE(Record("k", second)->already_recorded());
  EXPECT_EQ(LateResults("true"), 1);
  EXPECT_EQ(Value("latchkey_duplicate_effects_suspected_total"), 1);
}

TEST_P(RecordsMetricsTest, PayloadSizesOfResultsOnceEach) {
  const auto token = MustAcquire("k", "a1");
  const auto payload = [](v1::RecordResultRequest& request) {
    request.set_payload(std::string(100, 'p'));
  };
  EXPECT_TRUE(Record("k", token, payload).ok());
  EXPECT_TRUE(Record("k", token, payload)->already_recorded());
  EXPECT_EQ(Value("latchkey_result_bytes_count"), 1);
  EXPECT_EQ(Value("latchkey_result_bytes_sum"), 100);
  EXPECT_EQ(Value("latchkey_result_bytes_bucket{le=\"64\"}"), 0);
  EXPECT_EQ(Value("latchkey_result_bytes_bucket{le=\"256\"}"), 1);
}

TEST_P(RecordsMetricsTest, ForgottenRecordsAreCounted) {
  NamespaceSettings settings;
  settings.key_retention = 1h;
  settings.payload_retention = 1h;
  StartMeasured([&](ServerOptions& options) { options.namespaces = Namespaces(settings, {}); });
  EXPECT_TRUE(Record("k", MustAcquire("k", "a1")).ok());
  clock().Advance(26h);
  EXPECT_EQ(Value("latchkey_expired_records_total"), 0);
  MustAcquire("k", "a2");
  EXPECT_EQ(Value("latchkey_expired_records_total"), 1) << "it gave way";
  storage::v1::Record record;
  record.set_state(State::COMPLETED);
  record.set_state_since_nanos(1);
  EXPECT_EQ(server().retention().Expire(storage::MakeStoreKey("default", "old"), record),
            storage::Expired::kAll);
  EXPECT_EQ(Value("latchkey_expired_records_total"), 2) << "a store may reclaim it";
}

TEST_P(RecordsMetricsTest, DeletedRecordsAreNotForgotten) {
  const auto token = MustAcquire("k", "a1");
  EXPECT_TRUE(Record("k", token).ok());
  EXPECT_TRUE(Delete("k", token).ok());
  EXPECT_EQ(Value("latchkey_expired_records_total"), 0);
}

TEST_P(RecordsMetricsTest, CommitsAndTokens) {
  const auto token = MustAcquire("k", "a1");
  EXPECT_EQ(Value("latchkey_commit_seconds_count"), 1);
  EXPECT_EQ(Value("latchkey_commit_batch_size_sum"), 1);
  EXPECT_EQ(Value("latchkey_fencing_token"), static_cast<double>(token));
  Check("k");
  EXPECT_EQ(Value("latchkey_commit_seconds_count"), 1) << "it only read";
  EXPECT_TRUE(Record("k", token).ok());
  EXPECT_EQ(Value("latchkey_commit_seconds_count"), 2);
  EXPECT_EQ(Value("latchkey_commit_batch_size_bucket{le=\"1\"}"), 2);
}

}  // namespace
}  // namespace latchkey
