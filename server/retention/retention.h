// What may be forgotten: the retention clock, the horizons of the namespaces, and their durable
// state.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "latchkey/storage/v1/record.pb.h"
#include "server/machine/namespaces.h"
#include "server/machine/record_machine.h"
#include "server/retention/retention_clock.h"
#include "storage/record_store.h"

namespace latchkey {

// Thread-safe.
class Retention {
 public:
  struct Options {
    bool accept_clock_step = false;
    Limits limits;
  };

  // Reads the stored state and writes it back with the horizons that the settings now ask for, so
  // that nothing is forgotten before it is written down that it may be.
  static absl::StatusOr<std::unique_ptr<Retention>> Start(storage::RecordStore& store,
                                                          const Namespaces& namespaces,
                                                          Clock& clock, Options options);

  // Looks at the clocks; about once a second.
  void Tick();
  // Writes down the clock and the horizons. What is past them may be reclaimed from then on.
  absl::Status Save();
  // The same for settings that are about to replace those given at the start: nothing is forgotten
  // under them before it is written down that it may be.
  absl::Status SaveFor(const Namespaces& next);

  // The time, for a batch that begins at `monotonic`.
  Now At(MonotonicTime monotonic) const;

  // first_sent_at up to here is refused on an absent key. Never moves back, whatever the settings.
  WallTime HorizonOf(std::string_view name_space) const;

  // What a store may reclaim of this record, judged by what is written down: an expired payload is
  // taken out of it.
  storage::Expired Expire(std::string_view store_key, storage::v1::Record& record) const;

  bool clock_in_doubt() const;

  // Records that Expire has given up as a whole, so far.
  std::uint64_t expired_records() const { return expired_records_.load(); }

 private:
  Retention(storage::RecordStore& store, const Namespaces& namespaces, Clock& clock,
            Options options, storage::v1::StoreState state);
  static void RaiseHorizons(const Namespaces& namespaces, storage::v1::StoreState& state);

  storage::RecordStore& store_;
  const Namespaces& namespaces_;
  Clock& clock_;
  const Options options_;

  // One at a time: each writes what the one before it wrote, and more.
  Mutex saving_;

  mutable std::atomic<std::uint64_t> expired_records_ = 0;
  mutable Mutex mutex_;
  RetentionClock retention_clock_ GUARDED_BY(mutex_);
  // As it is stored.
  storage::v1::StoreState state_ GUARDED_BY(mutex_);
};

}  // namespace latchkey
