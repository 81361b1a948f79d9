// What may be forgotten, and from when on: horizons and their durable state.
#include "server/retention/retention.h"

#include "base/fake_clock.h"
#include "latchkey/v1/admin.pb.h"
#include "storage/faulty_record_store.h"
#include "storage/memory_record_store.h"
#include "storage/store_key.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace latchkey {
namespace {

using State = v1::CheckResultResponse;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""h;
using Named = std::map<std::string, NamespaceSettings, std::less<>>;

constexpr Duration kDay = std::chrono::hours(24);

NamespaceSettings Keep(Duration key_retention) {
  NamespaceSettings settings;
  settings.key_retention = key_retention;
  return settings;
}

class RetentionTest : public testing::Test {
 protected:
  // A server with these settings takes over from the one before.
  void Start(Duration others, Named named = {}) {
    retention_.reset();
    namespaces_ = std::make_unique<Namespaces>(Keep(others), std::move(named));
    auto started = Retention::Start(store_, *namespaces_, clock_, {});
    ASSERT_TRUE(started.ok()) << started.status();
    retention_ = *std::move(started);
  }
  // Lets time pass in steps that the retention clock follows.
  void Pass(Duration time) {
    for (Duration passed{}; passed < time; passed += 1h) {
      clock_.Advance(1h);
      retention_->Tick();
    }
  }
  void PassAndSave(Duration time) {
    Pass(time);
    ASSERT_TRUE(retention_->Save().ok());
  }
  Duration HorizonAge(std::string_view name_space) {
    return clock_.Wall() - retention_->HorizonOf(name_space);
  }
  WallTime Horizon(std::string_view name_space) { return retention_->HorizonOf(name_space); }
  bool MayReclaim(const std::string& name_space, storage::v1::Record record) {
    return Expire(name_space, record) == storage::Expired::kAll;
  }
  storage::Expired Expire(const std::string& name_space, storage::v1::Record& record) {
    return retention_->Expire(storage::MakeStoreKey(name_space, "k"), record);
  }
  storage::v1::Record CompletedNow() {
    storage::v1::Record record;
    record.set_state(State::COMPLETED);
    record.set_state_since_nanos(ToNanos(clock_.Wall()));
    return record;
  }

  storage::Fault fault_ = storage::Fault::kNone;
  FakeClock clock_;
  storage::MemoryRecordStore memory_;
  storage::FaultyRecordStore store_{memory_, [this](const storage::StoreCall&) { return fault_; }};
  std::unique_ptr<Namespaces> namespaces_;
  std::unique_ptr<Retention> retention_;
};

TEST_F(RetentionTest, HorizonFollowsKeyRetention) {
  Start(10 * kDay, {{"short", Keep(2 * kDay)}});
  EXPECT_EQ(HorizonAge("default"), 10 * kDay);
  EXPECT_EQ(HorizonAge("any"), 10 * kDay);
  EXPECT_EQ(HorizonAge("short"), 2 * kDay);
  PassAndSave(5 * kDay);
  EXPECT_EQ(HorizonAge("default"), 10 * kDay);
  EXPECT_EQ(HorizonAge("short"), 2 * kDay);
}

TEST_F(RetentionTest, HorizonNeverMovesBackWhenSettingsChange) {
  Start(2 * kDay);
  const WallTime before = Horizon("default");
  Start(90 * kDay);
  EXPECT_EQ(Horizon("default"), before);
  PassAndSave(30 * kDay);
  EXPECT_EQ(Horizon("default"), before);
  PassAndSave(60 * kDay);
  EXPECT_GT(Horizon("default"), before);
  Start(1 * kDay);
  EXPECT_EQ(HorizonAge("default"), 1 * kDay);
}

TEST_F(RetentionTest, NamespaceThatGetsItsOwnSettingsKeepsItsHorizon) {
  Start(2 * kDay);
  const WallTime before = Horizon("shop");
  Start(2 * kDay, {{"shop", Keep(90 * kDay)}});
  EXPECT_EQ(Horizon("shop"), before);
  Start(2 * kDay, {{"shop", Keep(1 * kDay)}});
  EXPECT_EQ(HorizonAge("shop"), 1 * kDay);
}

TEST_F(RetentionTest, NamespaceThatLosesItsOwnSettingsKeepsItsHorizon) {
  Start(90 * kDay, {{"shop", Keep(2 * kDay)}});
  const WallTime before = Horizon("shop");
  Start(90 * kDay);
  EXPECT_EQ(Horizon("shop"), before);
  EXPECT_EQ(HorizonAge("default"), 90 * kDay);
  PassAndSave(89 * kDay);
  EXPECT_EQ(HorizonAge("shop"), 90 * kDay);
}

// In between it was one of the others, and records of it may have been reclaimed as theirs.
TEST_F(RetentionTest, NamespaceThatGetsSettingsAgainKeepsWhatItHadWithoutThem) {
  Start(2 * kDay, {{"shop", Keep(90 * kDay)}});
  Start(2 * kDay);
  PassAndSave(30 * kDay);
  const WallTime without = Horizon("shop");
  EXPECT_EQ(HorizonAge("shop"), 2 * kDay);
  Start(2 * kDay, {{"shop", Keep(90 * kDay)}});
  EXPECT_EQ(Horizon("shop"), without);
}

TEST_F(RetentionTest, ClockGoesOnFromWhereItWasSaved) {
  Start(90 * kDay);
  PassAndSave(1 * kDay);
  const WallTime saved = retention_->At(clock_.Monotonic()).retention;
  clock_.StepWall(-2 * kDay);
  Start(90 * kDay);
  EXPECT_EQ(retention_->At(clock_.Monotonic()).retention, saved);
  EXPECT_TRUE(retention_->clock_in_doubt());
}

TEST_F(RetentionTest, OperatorMayVouchForTheClockAtStart) {
  Start(90 * kDay);
  clock_.StepWall(5h);
  auto vouched =
      Retention::Start(store_, *namespaces_, clock_, {.accept_clock_step = true, .limits = {}});
  ASSERT_TRUE(vouched.ok());
  EXPECT_EQ((*vouched)->At(clock_.Monotonic()).retention, clock_.Wall());
  Start(90 * kDay);
  EXPECT_EQ(retention_->At(clock_.Monotonic()).retention, clock_.Wall()) << "it was saved";
}

TEST_F(RetentionTest, OnlyWhatIsSavedDecidesWhatMayBeReclaimed) {
  Start(2 * kDay);
  const auto record = CompletedNow();
  Pass(3 * kDay);  // key retention and a day
  EXPECT_FALSE(MayReclaim("default", record));
  fault_ = storage::Fault::kFailBefore;
  EXPECT_FALSE(retention_->Save().ok());
  EXPECT_FALSE(MayReclaim("default", record));
}

TEST_F(RetentionTest, ReclaimsADayAfterKeyRetention) {
  Start(2 * kDay, {{"long", Keep(9 * kDay)}});
  const auto record = CompletedNow();
  PassAndSave(3 * kDay - 1h);
  EXPECT_FALSE(MayReclaim("default", record));
  PassAndSave(1h);
  EXPECT_TRUE(MayReclaim("default", record));
  EXPECT_FALSE(MayReclaim("long", record));
}

TEST_F(RetentionTest, ExpiresPayloadsByWhatIsSaved) {
  Start(90 * kDay);
  auto record = CompletedNow();
  record.mutable_result()->set_payload("body");
  record.mutable_result()->set_recorded_at_nanos(record.state_since_nanos());
  record.mutable_result()->set_payload_retention_nanos(Duration(2 * kDay).count());
  Pass(3 * kDay);
  EXPECT_EQ(Expire("default", record), storage::Expired::kNothing);
  EXPECT_EQ(record.result().payload(), "body");
  ASSERT_TRUE(retention_->Save().ok());
  EXPECT_EQ(Expire("default", record), storage::Expired::kPart);
  EXPECT_EQ(record.result().payload(), "");
  EXPECT_EQ(Expire("default", record), storage::Expired::kNothing) << "there is no more of it";
}

// Whoever comes with the time of a record that may be gone is told so, also after a crash.
TEST_F(RetentionTest, HorizonCoversWhatMayBeReclaimed) {
  Start(2 * kDay);
  const auto record = CompletedNow();
  const WallTime first_sent_at = clock_.Wall() + 1h;  // the most that a clock may be ahead
  PassAndSave(3 * kDay);
  ASSERT_TRUE(MayReclaim("default", record));
  EXPECT_GE(Horizon("default"), first_sent_at);
  Start(90 * kDay);
  EXPECT_GE(Horizon("default"), first_sent_at);
}

TEST_F(RetentionTest, NeverReclaimsWhatIsLive) {
  Start(1 * kDay);
  storage::v1::Record record = CompletedNow();
  PassAndSave(400 * kDay);
  for (const auto state : {State::HELD, State::IN_DOUBT}) {
    record.set_state(state);
    EXPECT_FALSE(MayReclaim("default", record));
  }
}

TEST_F(RetentionTest, WrongWallClockReclaimsNothing) {
  Start(2 * kDay);
  const auto record = CompletedNow();
  clock_.StepWall(90 * kDay);
  retention_->Tick();
  ASSERT_TRUE(retention_->Save().ok());
  EXPECT_FALSE(MayReclaim("default", record));
  Start(2 * kDay);
  EXPECT_FALSE(MayReclaim("default", record));
  EXPECT_LE(Horizon("default"), WallTimeFromNanos(record.state_since_nanos()) - 2 * kDay);
}

TEST_F(RetentionTest, StartFailsWithTheStore) {
  const Namespaces namespaces;
  fault_ = storage::Fault::kFailBefore;
  EXPECT_FALSE(Retention::Start(store_, namespaces, clock_, {}).ok());
}

v1::AuditEntry Done(const std::string& action) {
  v1::AuditEntry entry;
  entry.set_action(action);
  return entry;
}

TEST_F(RetentionTest, TheDoubtOfARestoreEndsDurablyAndOnce) {
  storage::v1::StoreState state;
  state.set_restored_at_nanos(20);
  state.set_unknown_since_nanos(10);
  state.set_restore_fencing_token(30);
  ASSERT_TRUE(store_.SaveState(state).ok());
  Start(kDay);
  const Restore before = retention_->restore();
  EXPECT_TRUE(before.in_doubt);
  EXPECT_EQ(ToNanos(before.at), 20);
  EXPECT_EQ(ToNanos(before.unknown_since), 10);
  EXPECT_TRUE(*retention_->ClearRestoreDoubt(Done("ClearRestoreDoubt")));
  EXPECT_FALSE(*retention_->ClearRestoreDoubt(Done("ClearRestoreDoubt")));
  Start(kDay);
  EXPECT_FALSE(retention_->restore().in_doubt);
  EXPECT_EQ(retention_->restore().fencing_token, 30u) << "it tells old leases for good";
  EXPECT_EQ(retention_->audit().size(), 1u);
}

TEST_F(RetentionTest, OnlyTheNewestOfWhatWasDoneToTheStoreIsKept) {
  Start(kDay);
  for (int i = 0; i < 70; ++i) ASSERT_TRUE(retention_->Audit(Done(std::to_string(i))).ok());
  const auto audit = retention_->audit();
  ASSERT_EQ(audit.size(), 64u);
  EXPECT_EQ(audit.front().action(), "6");
  EXPECT_EQ(audit.back().action(), "69");
}

TEST_F(RetentionTest, RevisionsOfAWatchRiseAcrossProcessesWhateverTheClockSays) {
  Start(kDay);
  std::uint64_t highest = retention_->first_watch_revision() + 1'000;
  retention_->NoteWatchRevision(highest);
  PassAndSave(1s);
  for (int start = 0; start < 3; ++start) {
    clock_.StepWall(-kDay);
    Start(kDay);
    EXPECT_GT(retention_->first_watch_revision(), highest);
    highest = retention_->first_watch_revision();
  }
}

}  // namespace
}  // namespace latchkey
