#include "tests/partition/shared_servers.h"

#include <iterator>

#include <gtest/gtest.h>

namespace latchkey {

SharedServer::SharedServer(SharedWorld& world, ChangeFeed* changes)
    : world_(world),
      store_(world.memory, [this](const storage::StoreCall& call) { return Script(call); }) {
  auto retention =
      Retention::Start(store_, world.namespaces, world.clock, {.limits = world.limits});
  EXPECT_TRUE(retention.ok()) << retention.status();
  retention_ = *std::move(retention);
  partition_ = std::make_unique<Partition>(PartitionEnvironment{.limits = &world.limits,
                                                                .namespaces = &world.namespaces,
                                                                .clock = &world.clock,
                                                                .store = &store_,
                                                                .retention = retention_.get(),
                                                                .live_counts = &live_counts_,
                                                                .fail_stop = &fail_stop_,
                                                                .observer = this,
                                                                .waiters = &waiters_,
                                                                .storage_full = &storage_full_,
                                                                .changes = changes});
  partition_->BeginServing();
  watch_ = store_.WatchLive([this](storage::LiveChanges told) {
    census_.Hear(told);
    unheard_.emplace_back(std::move(told));
  });
}

SharedServer::~SharedServer() {
  for (const auto& call : calls_) EXPECT_LE(call->times_finished(), 1);
}

void SharedServer::Cancel(RememberingCall& call) {
  call.SetGone();
  work_.emplace_back(CancelWait{call.store_key, &call, call.serial});
}

void SharedServer::RunOneRound() {
  ++rounds_;
  std::vector<Work> work = std::exchange(work_, {});
  if (!deaf) {
    std::ranges::move(unheard_, std::back_inserter(work));
    unheard_.clear();
  }
  partition_->Process(work);
}

void SharedServer::Run() {
  do {
    RunOneRound();
    ASSERT_LT(rounds_, 100'000) << "it does not come to an end";
  } while (partition_->HasBacklog() || (!deaf && !unheard_.empty()));
}

storage::Fault SharedServer::Script(const storage::StoreCall& call) {
  if (call.kind != storage::StoreCall::Kind::kCommit) return storage::Fault::kNone;
  ++commits_;
  if (before_commit) std::exchange(before_commit, {})();
  if (next_commits.empty()) return storage::Fault::kNone;
  const storage::Fault fault = next_commits.front();
  next_commits.pop_front();
  return fault;
}

void SharedServer::OnStep(const std::string&, const Step& step) {
  grants_ += step.granted ? 1 : 0;
  lapses_ += step.lapsed ? 1 : 0;
}

}  // namespace latchkey
