// What is known beside the records, and its durable state: the retention clock and the horizons of
// the namespaces, which say what may be forgotten; what a restore from a backup left unknown; and
// what operators did to the store as a whole.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

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
  // What the last restore left unknown.
  Restore restore() const;
  // Ends the doubt of a restore and keeps that it was done, durably. The answer is whether there
  // was any; with none, nothing is done.
  absl::StatusOr<bool> ClearRestoreDoubt(v1::AuditEntry done);

  // Keeps what was done to the store as a whole, durably; `at` and the highest token are filled in.
  absl::Status Audit(v1::AuditEntry done);
  // Oldest first.
  std::vector<v1::AuditEntry> audit() const;

  // Revisions of WatchRecords begin above this one, in this process; no earlier one gave any above.
  std::uint64_t first_watch_revision() const { return first_watch_revision_; }
  // The highest given; it is stored with the next Save.
  void NoteWatchRevision(std::uint64_t revision);

 private:
  Retention(storage::RecordStore& store, const Namespaces& namespaces, Clock& clock,
            Options options, storage::v1::StoreState state);
  static void RaiseHorizons(const Namespaces& namespaces, storage::v1::StoreState& state);
  // Stores the state with this change, and with the clock as it stands.
  absl::Status Save(const std::function<void(storage::v1::StoreState&)>& change);
  // ABORTED if another server has saved meanwhile.
  absl::Status TrySave(const std::function<void(storage::v1::StoreState&)>& change);
  void AddAudit(v1::AuditEntry done, storage::v1::StoreState& state) const;

  storage::RecordStore& store_;
  const Namespaces& namespaces_;
  Clock& clock_;
  const Options options_;
  std::uint64_t first_watch_revision_ = 0;

  // One at a time: each writes what the one before it wrote, and more.
  Mutex saving_;

  mutable std::atomic<std::uint64_t> expired_records_ = 0;
  mutable Mutex mutex_;
  RetentionClock retention_clock_ GUARDED_BY(mutex_);
  // As it is stored.
  storage::v1::StoreState state_ GUARDED_BY(mutex_);
  std::uint64_t watch_revision_ GUARDED_BY(mutex_) = 0;
};

}  // namespace latchkey
