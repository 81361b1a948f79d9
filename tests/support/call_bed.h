// A server without gRPC: store, retention, partitions with their threads, and the environment that
// calls are given.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

#include "server/calls/call_environment.h"
#include "server/partition/live_counts.h"
#include "storage/memory_record_store.h"

namespace latchkey {

class CallBed {
 public:
  // `clock` outlives it.
  CallBed(Clock& clock, const Limits& limits, const NamespaceSettings& settings,
          std::size_t partition_count)
      : limits_(limits),
        namespaces_(settings, {}),
        reply_budget_(limits_.reply_bytes_in_flight),
        retention_(*Retention::Start(store_, namespaces_, clock, {.limits = limits_})),
        partitions_(PartitionEnvironment{.limits = &limits_,
                                         .namespaces = &namespaces_,
                                         .clock = &clock,
                                         .store = &store_,
                                         .retention = retention_.get(),
                                         .live_counts = &live_counts_,
                                         .fail_stop = &fail_stop_,
                                         .observer = &observer_,
                                         .waiters = nullptr,
                                         .storage_full = &storage_full_},
                    partition_count),
        environment_{limits_,     namespaces_,   clock,      *retention_,
                     partitions_, reply_budget_, fail_stop_, shutting_down_} {}

  const CallEnvironment& environment() const { return environment_; }
  const Limits& limits() const { return limits_; }
  storage::RecordStore& store() { return store_; }
  Retention& retention() { return *retention_; }
  // Not started.
  Partitions& partitions() { return partitions_; }
  const LiveCounts& live_counts() const { return live_counts_; }
  const FailStop& fail_stop() const { return fail_stop_; }

 private:
  class Observer final : public PartitionObserver {
   public:
    void OnStep(const std::string&, const Step&) override {}
    void OnStall(Duration) override {}
  };

  const Limits limits_;
  const Namespaces namespaces_;
  storage::MemoryRecordStore store_;
  Observer observer_;
  LiveCounts live_counts_;
  FailStop fail_stop_;
  ReplyBudget reply_budget_;
  std::atomic<bool> storage_full_ = false;
  std::atomic<bool> shutting_down_ = false;
  const std::unique_ptr<Retention> retention_;
  Partitions partitions_;
  const CallEnvironment environment_;
};

}  // namespace latchkey
