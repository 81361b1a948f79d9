// A server without gRPC, for one input of a fuzzer: store, retention, a partition with its thread,
// reply budget, and the environment that calls are given. Limits are small, so that short inputs
// reach them. Time stands still until a step moves it.
#pragma once

#include <atomic>
#include <memory>

#include "base/fake_clock.h"
#include "server/calls/call_environment.h"
#include "server/partition/live_counts.h"
#include "storage/memory_record_store.h"

namespace latchkey::fuzz {

class TestBed {
 public:
  TestBed();
  // Ends everything, and checks what is stored.
  ~TestBed();

  const CallEnvironment& environment() const { return environment_; }
  FakeClock& clock() { return clock_; }
  storage::RecordStore& store() { return store_; }
  Partitions& partitions() { return *partitions_; }

  // Returns when everything that was submitted before is decided and, if it does not wait, was
  // finished.
  void Settle();
  // The same, and checks that what may wait is bounded.
  void SettleAndCheck();
  // Moves the clocks, a tenth of a second at a time as a running server sees them.
  void Pass(Duration time);

 private:
  class Observer final : public PartitionObserver {
   public:
    void OnStep(const std::string&, const Step&) override {}
    void OnStall(Duration) override {}
  };
  void CheckStored();

  FakeClock clock_;
  storage::MemoryRecordStore store_;
  const Limits limits_;
  const Namespaces namespaces_;
  Observer observer_;
  LiveCounts live_counts_;
  FailStop fail_stop_;
  ReplyBudget reply_budget_;
  std::atomic<bool> storage_full_ = false;
  std::atomic<bool> shutting_down_ = false;
  std::unique_ptr<Retention> retention_;
  std::unique_ptr<Partitions> partitions_;
  const CallEnvironment environment_;
};

}  // namespace latchkey::fuzz
