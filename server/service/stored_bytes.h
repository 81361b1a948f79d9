// Measures what namespaces take on the disk, where they have a quota of it.
#pragma once

#include "server/machine/namespaces.h"
#include "server/partition/live_counts.h"
#include "server/partition/quotas.h"
#include "storage/record_store.h"

namespace latchkey {

// For the housekeeper's thread. All that it refers to outlives it.
class StoredBytes {
 public:
  StoredBytes(storage::RecordStore& store, const Namespaces& namespaces,
              const LiveCounts& live_counts, Quotas& quotas)
      : store_(store), namespaces_(namespaces), live_counts_(live_counts), quotas_(quotas) {}

  // To be called once a second; looks at every tenth time, and at the first.
  void LookNowAndThen() {
    if (rounds_++ % kRoundsPerLook == 0) Look();
  }

 private:
  static constexpr int kRoundsPerLook = 10;
  void Look();

  storage::RecordStore& store_;
  const Namespaces& namespaces_;
  const LiveCounts& live_counts_;
  Quotas& quotas_;
  int rounds_ = 0;
};

}  // namespace latchkey
