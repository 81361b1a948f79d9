// One life of the server's process: the shipped classes, put together as service/server.cc does,
// with partitions that are stepped and not threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "server/calls/call_environment.h"
#include "server/partition/live_counts.h"
#include "server/service/housekeeper.h"
#include "tools/simulation/boundary.h"
#include "tools/simulation/disk.h"
#include "tools/simulation/session_end.h"
#include "tools/simulation/swarm.h"

namespace latchkey::simulation {

class ServerHost;

struct ServerSettings {
  Limits limits;
  Namespaces namespaces;
  std::size_t partitions = 1;
  std::size_t reply_budget_bytes = 0;
};

class ServerLife final : private PartitionObserver {
 public:
  // All of these outlive it.
  ServerLife(ServerHost& host, const ServerSettings& settings, Clock& clock, Disk& disk,
             Boundary& boundary, WriteScript script, WriteListener listener);
  ~ServerLife() override;

  // Reads the disk and begins to serve; fails where the disk does.
  absl::Status Start();

  ServerHost& host() { return host_; }
  Boundary& boundary() { return boundary_; }
  const CallEnvironment& environment() const { return *environment_; }
  Partitions& partitions() { return *partitions_; }
  std::size_t partition_count() const { return partitions_->count(); }

  // The process has ended, although what it was doing has not returned yet: nothing leaves it.
  void Die() { dead_ = true; }
  bool dead() const { return dead_; }
  // A store call has failed.
  bool failed() const { return fail_stop_.tripped(); }

  // What the process does.
  SessionEnd* Accept(std::shared_ptr<Stream> stream);
  void WakePartitions();
  void Housekeep();
  void BeginShutdown();
  absl::Status FinishShutdown();

  // Unary calls that are not answered.
  void Remember(std::uint64_t number, Call* call) { calls_[number] = call; }
  void Forget(std::uint64_t number) { calls_.erase(number); }
  void Cancel(std::uint64_t number);

  // Whether nothing is under way.
  bool idle() const;
  std::uint64_t lapses() const { return lapses_; }
  std::uint64_t stalls() const { return stalls_; }
  storage::RecordStore& store() { return store_; }
  const Retention& retention() const { return *retention_; }

 private:
  void OnStep(const std::string& store_key, const Step& step) override;
  void OnStall(Duration gap) override;

  ServerHost& host_;
  const ServerSettings& settings_;
  Clock& clock_;
  Boundary& boundary_;
  bool dead_ = false;
  std::uint64_t lapses_ = 0;
  std::uint64_t stalls_ = 0;
  DiskStore store_;
  FailStop fail_stop_;
  LiveCounts live_counts_;
  ReplyBudget reply_budget_;
  std::atomic<bool> shutting_down_ = false;
  std::unique_ptr<Retention> retention_;
  std::unique_ptr<Housekeeper> housekeeper_;
  std::unique_ptr<Partitions> partitions_;
  std::unique_ptr<CallEnvironment> environment_;
  std::vector<std::unique_ptr<SessionEnd>> sessions_;
  std::map<std::uint64_t, Call*> calls_;
};

}  // namespace latchkey::simulation
