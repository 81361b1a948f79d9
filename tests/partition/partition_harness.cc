#include "tests/partition/partition_harness.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace latchkey {
namespace {

using State = v1::CheckResultResponse;

std::string StoreKey(const std::string& key) { return storage::MakeStoreKey("default", key); }

}  // namespace

PartitionHarness::PartitionHarness(NamespaceSettings settings, Limits limits)
    : limits_(limits), namespaces_(settings, {}) {
  RestartWithState();
}

void PartitionHarness::RestartWithState() {
  partition_.reset();
  auto retention = Retention::Start(memory, namespaces_, clock, {.limits = limits_});
  EXPECT_TRUE(retention.ok());
  retention_ = *std::move(retention);
  Restart();
}

PartitionHarness::~PartitionHarness() {
  for (const auto& call : calls_) EXPECT_LE(call->times_finished(), 1);
}

storage::Fault PartitionHarness::Script(const storage::StoreCall& call) {
  if (call.kind == storage::StoreCall::Kind::kLoad) {
    return std::exchange(next_load, storage::Fault::kNone);
  }
  if (call.kind != storage::StoreCall::Kind::kCommit) return storage::Fault::kNone;
  ++commits;
  last_commit_writes = call.writes.size();
  if (during_commit) during_commit();
  return std::exchange(next_commit, storage::Fault::kNone);
}

std::uint64_t PartitionHarness::Hold(v1::AcquireLockRequest request) {
  const std::uint64_t token = Do(std::move(request)).token();
  EXPECT_NE(token, 0) << "the key is not free";
  return token;
}

void PartitionHarness::Cancel(RememberingCall& call) {
  call.SetGone();
  work_.emplace_back(CancelWait{call.store_key, &call, call.serial});
}

void PartitionHarness::Delete(RememberingCall& call) {
  ASSERT_TRUE(call.finished());
  std::erase_if(calls_, [&](const auto& owned) { return owned.get() == &call; });
}

void PartitionHarness::RunOneBatch() {
  std::vector<Work> work = std::exchange(work_, {});
  partition_->Process(work);
}

void PartitionHarness::Run() {
  do {
    RunOneBatch();
  } while (partition_->HasBacklog());
}

void PartitionHarness::Pass(Duration time) {
  while (time > Duration::zero()) {
    const Duration step = std::min<Duration>(time, 100ms);
    clock.Advance(step);
    time -= step;
    Run();
  }
}

void PartitionHarness::StepWall(Duration by) {
  clock.StepWall(by);
  retention_->Tick();
}

void PartitionHarness::Restart() {
  RestartWithoutServing();
  partition_->BeginServing();
}

void PartitionHarness::RestartWithoutServing() {
  waiters_ = 0;
  work_.clear();
  partition_.reset();
  live_counts_ = std::make_unique<LiveCounts>();
  fail_stop_ = std::make_unique<FailStop>();
  store_ = std::make_unique<storage::FaultyRecordStore>(
      memory, [this](const storage::StoreCall& call) { return Script(call); });
  partition_ = std::make_unique<Partition>(PartitionEnvironment{.limits = &limits_,
                                                                .namespaces = &namespaces_,
                                                                .clock = &clock,
                                                                .store = store_.get(),
                                                                .retention = retention_.get(),
                                                                .live_counts = live_counts_.get(),
                                                                .fail_stop = fail_stop_.get(),
                                                                .observer = &steps,
                                                                .waiters = &waiters_,
                                                                .storage_full = &storage_full});
  auto live = memory.Scan({.limit = 1'000'000, .live_only = true});
  for (storage::Scanned& scanned : *live) {
    if (!scanned.loaded.record.has_value()) continue;
    const bool held = scanned.loaded.record->state() == State::HELD;
    live_counts_->Add("default", held ? 1 : 0, held ? 0 : 1);
    if (held) partition_->Adopt(scanned.store_key, std::move(scanned.loaded));
  }
}

std::optional<storage::v1::Record> PartitionHarness::Stored(const std::string& key) {
  return memory.Load(std::vector{StoreKey(key)})->front().record;
}

State::State PartitionHarness::StoredState(const std::string& key) {
  const auto record = Stored(key);
  return record.has_value() ? record->state() : State::ABSENT;
}

LiveCounts::Counts PartitionHarness::CountStored() {
  LiveCounts::Counts counts;
  const auto live = memory.Scan({.limit = 1'000'000, .live_only = true});
  for (const storage::Scanned& scanned : *live) {
    if (!scanned.loaded.record.has_value()) continue;
    ++(scanned.loaded.record->state() == State::HELD ? counts.held : counts.in_doubt);
  }
  return counts;
}

}  // namespace latchkey
