// Several partitions, each of a server of its own, over one shared store and one fake clock.
// Nothing happens but when a test says so: a server decides when it is run, and hears of what
// others did when it is not deaf.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/fake_clock.h"
#include "server/machine/namespaces.h"
#include "server/partition/fail_stop.h"
#include "server/partition/live_census.h"
#include "server/partition/live_counts.h"
#include "server/partition/partition.h"
#include "server/retention/retention.h"
#include "storage/faulty_record_store.h"
#include "storage/memory_record_store.h"
#include "tests/partition/test_call.h"

namespace latchkey {

// What servers share.
struct SharedWorld {
  FakeClock clock;
  storage::MemoryRecordStore memory{storage::MemoryRecordStore::Sharing::kShared};
  Limits limits;
  Namespaces namespaces{NamespaceSettings(), {}};
};

class SharedServer final : public PartitionObserver {
 public:
  // `changes`: of those who watch at this server.
  explicit SharedServer(SharedWorld& world, ChangeFeed* changes = nullptr);
  // Dies: nothing it has not told anybody is known.
  ~SharedServer() override;

  // Puts a call into the next round; it arrives now.
  template <class Request>
  TestCall<Request>& Submit(Request request) {
    auto call = std::make_unique<TestCall<Request>>(std::move(request), world_.clock.Monotonic());
    TestCall<Request>& submitted = *call;
    calls_.push_back(std::move(call));
    work_.emplace_back(&submitted);
    return submitted;
  }
  template <class Request>
  TestCall<Request>& Do(Request request) {
    TestCall<Request>& call = Submit(std::move(request));
    Run();
    return call;
  }
  void Cancel(RememberingCall& call);
  void Post(Work work) { work_.push_back(std::move(work)); }

  // Decides what was submitted, and what is left of it for later rounds.
  void Run();
  void RunOneRound();

  // While deaf, what the store tells waits, as where a watch lags.
  bool deaf = false;
  // What the next commits come to.
  std::deque<storage::Fault> next_commits;
  // Called before each commit takes effect.
  std::function<void()> before_commit;

  int commits() const { return commits_; }
  int rounds() const { return rounds_; }
  int grants() const { return grants_; }
  int lapses() const { return lapses_; }
  LiveCounts::Counts counts() const { return live_counts_.Get("default"); }
  std::size_t waiters() const { return waiters_.load(); }
  bool failed() const { return fail_stop_.tripped(); }

  void OnStep(const std::string& store_key, const Step& step) override;
  void OnStall(Duration) override {}

 private:
  storage::Fault Script(const storage::StoreCall& call);

  SharedWorld& world_;
  std::atomic<std::size_t> waiters_ = 0;
  std::atomic<bool> storage_full_ = false;
  LiveCounts live_counts_;
  LiveCensus census_{live_counts_, Meter::None()};
  FailStop fail_stop_;
  storage::FaultyRecordStore store_;
  std::unique_ptr<Retention> retention_;
  std::unique_ptr<Partition> partition_;
  std::unique_ptr<storage::LiveWatch> watch_;
  std::deque<std::unique_ptr<RememberingCall>> calls_;
  std::vector<Work> work_;
  std::vector<Work> unheard_;
  int commits_ = 0;
  int rounds_ = 0;
  int grants_ = 0;
  int lapses_ = 0;
};

}  // namespace latchkey
