// What a shared store tells of changes, for those who watch at this server.
#pragma once

#include <memory>

#include "server/partition/partition.h"
#include "storage/record_store.h"

namespace latchkey {

// Fills the feed for as long as somebody watches. Not thread-safe: one thread makes all calls, and
// must not hold what is needed to hear of a change in the feed.
class StoreChanges {
 public:
  // `environment.changes` is filled.
  explicit StoreChanges(const PartitionEnvironment& environment) : environment_(environment) {}

  // To be called when somebody has begun to watch, or nobody watches any more.
  void Follow();
  // Nothing is told any more.
  void Stop();

 private:
  void Hear(const storage::RecordChanges& told);

  const PartitionEnvironment environment_;
  std::unique_ptr<storage::ChangeWatch> watch_;
};

}  // namespace latchkey
