// The seam between what Latchkey decides and where it is kept: load records, commit many
// independent conditional writes in one durable step, scan. Nothing above it knows RocksDB or etcd.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "latchkey/storage/v1/record.pb.h"

namespace latchkey::storage {

using v1::Record;
using v1::StoreState;

// Names one version of one record within a store. 0 stands for "there is no record". An exclusive
// store does not compare revisions and may use one again, but it relies on being told the current.
using Revision = std::uint64_t;

// Whether somebody may still be at work on the record's key: it is HELD or IN_DOUBT.
inline bool IsLive(const Record& record) {
  return record.state() == latchkey::v1::CheckResultResponse::HELD ||
         record.state() == latchkey::v1::CheckResultResponse::IN_DOUBT;
}

// A record as the store has it.
struct Loaded {
  std::optional<Record> record = {};  // empty: there is none, or it is corrupt
  Revision revision = 0;
  bool corrupt = false;  // something is stored that cannot be decoded
};

// One conditional write of a batch.
struct Write {
  std::string store_key = {};      // see store_key.h
  Revision expected = 0;           // the revision that the decision was made from
  const Record* record = nullptr;  // what to store; null deletes. Outlives the Commit call
  // The record holds a new grant: the store gives it the next fencing token, in place of
  // record->fencing_token().
  bool assign_token = false;
  // Changes nothing: asks only whether `expected` is still the revision. Shared stores only.
  bool check_only = false;
};

struct WriteResult {
  enum class Outcome {
    kCommitted,  // durable
    kConflict,   // the store has another revision; `current` is what it has; nothing was changed
    kUnknown,    // may or may not be durable, or become so: read again before deciding anything
    kRefused,    // nothing was changed, nor will be: the store has no room for it
  };
  Outcome outcome = Outcome::kUnknown;
  Revision revision = 0;    // with kCommitted: the new revision; of a check, the one it asked about
  std::uint64_t token = 0;  // with kCommitted and assign_token: the token given
  Loaded current;           // with kConflict
};

struct ScanRequest {
  std::string prefix = {};  // of store keys
  std::string after = {};   // only store keys above this; empty: from the start
  std::size_t limit = 100;  // at most so many records
  bool live_only =
      false;  // only HELD and IN_DOUBT records, which is quick however many are completed
};

struct Scanned {
  std::string store_key;
  Loaded loaded;
};

// What became of a live record, whoever did it.
struct LiveChange {
  std::string store_key;
  // As it is now. Without a record and not corrupt: it is not live any more; whether it is
  // completed or gone is not said, and has to be read. The revision is then that of the change;
  // those of one key only rise.
  Loaded loaded;
};

// What a shared store tells of live records: first all of them, then every change.
struct LiveChanges {
  // All that is live is told anew from here: what is not named until `complete` is not live.
  bool begins = false;
  // Every record that was live when this began has been named.
  bool complete = false;
  // Each key's in the order in which they were committed.
  std::vector<LiveChange> changes = {};
};

// Ends with this object: nothing is told any more once the destructor has returned.
class LiveWatch {
 public:
  virtual ~LiveWatch() = default;
};

// A change of a record of a shared store, whoever made it.
struct RecordChange {
  std::string store_key;
  // As it is after the change. Without a record and not corrupt: it is gone.
  Loaded loaded;
  std::uint64_t position = 0;
};

// What a shared store tells of changes. Each has a position, never 0, which is the same for every
// server; they rise strictly over the whole store.
struct RecordChanges {
  // What comes next is what comes after `position`. Changes before that may never have been told.
  bool begins = false;
  // In their order, above all that was told before.
  std::vector<RecordChange> changes = {};
  // All up to here has been told.
  std::uint64_t position = 0;
};

// Ends with this object, as LiveWatch.
class ChangeWatch {
 public:
  virtual ~ChangeWatch() = default;
};

// What a backup is to be.
struct BackupOrder {
  // On this machine; created if its parent is there. It has nothing else in it.
  std::string directory;
  // Deletes all but the newest so many, once this one is made and verified; 0: keeps all.
  std::uint32_t keep_newest = 0;
  // Asked now and then: give up.
  std::function<bool()> stop = [] { return false; };
};

// A backup that was made and verified.
struct BackupMade {
  std::uint64_t id = 0;
  std::uint64_t size_bytes = 0;    // with what it shares with others
  std::uint64_t copied_bytes = 0;  // for this one
  std::uint32_t files = 0;
  std::uint32_t backups = 0;  // that there are now
  std::int64_t taken_at_seconds = 0;
  std::uint64_t records_estimate = 0;
  std::uint64_t fencing_token = 0;  // none above it had been given when it was begun
};

// Thread-safe; calls block. A partition's records are only ever written by that partition's thread.
//
// Errors: a status that is not OK (but for Scan's DATA_LOSS, and CreateBackup's) from any call of
// an exclusive store means that the store has failed. It latches: from then on every call fails,
// nothing further becomes durable, and only a new process on the same data goes on (invariant D4).
// A shared store that cannot be reached answers UNAVAILABLE and may answer again the next time;
// FAILED_PRECONDITION means that it is not what it was, and latches.
class RecordStore {
 public:
  virtual ~RecordStore() = default;

  // Reads records; the answer has one element for each key, in order. A record that cannot be
  // decoded is marked `corrupt` and does not fail the call.
  virtual absl::StatusOr<std::vector<Loaded>> Load(std::span<const std::string> store_keys) = 0;

  // Writes, each on its own condition, and returns when every write that it calls kCommitted is
  // durable. No key may appear twice. Tokens are given in the order of the writes (by a shared
  // store only as far as it takes them in one step), and are higher than any that an earlier,
  // answered Commit gave, whatever thread or process made it. An exclusive store has one writer for
  // each key, which knows the current revision, so it does not look and never answers kConflict: a
  // wrong `expected` is a bug of the caller, and what comes of it is not said.
  virtual absl::StatusOr<std::vector<WriteResult>> Commit(std::span<const Write> writes) = 0;

  // Reads records in order of store key. Pages of one scan may be of different moments. DATA_LOSS,
  // which is no failure of the store, where stored bytes are so damaged that the keys are not
  // known.
  virtual absl::StatusOr<std::vector<Scanned>> Scan(const ScanRequest& request) = 0;

  // What is kept beside the records; all zero in a new store.
  virtual absl::StatusOr<StoreState> LoadState() = 0;
  // Replaces it; durable on return. A shared store takes it only if its `version` is one above that
  // of what is stored, else ABORTED: another process has saved since, so load it and try again.
  virtual absl::Status SaveState(const StoreState& state) = 0;

  // No token above this one was ever given. 0 in a new store. On a shared store: as far as this
  // process knows; none that was given before the last Load began is above it.
  virtual std::uint64_t HighestToken() = 0;
  // Gives no token up to this one any more; durable on return. Never lowers anything.
  virtual absl::Status RaiseTokens(std::uint64_t to) = 0;

  // Copies what was committed before the call, and perhaps a little more, to where a restore finds
  // it; commits go on meanwhile. Everything in it is of one moment. One at a time.
  // FAILED_PRECONDITION where the directory is not for backups or another process writes to it,
  // UNIMPLEMENTED where there is nothing that could be copied, CANCELLED if it was stopped, else
  // what went wrong. Nothing is kept of a backup that failed, and the store has not failed by it.
  virtual absl::StatusOr<BackupMade> CreateBackup(const BackupOrder& /*order*/) {
    return absl::UnimplementedError(
        "this store has nothing on a disk of this machine that could be backed up");
  }

  // Whether this process is the only writer.
  virtual bool exclusive() const = 0;

  // Of a shared store: tells `hear` what is live and how that changes, on one thread, which may
  // wait in it; it must not call the store. Null where nothing is told, as on an exclusive store.
  virtual std::unique_ptr<LiveWatch> WatchLive(std::function<void(LiveChanges)> /*hear*/) {
    return nullptr;
  }

  // Of a shared store: tells `hear` of every change of a record that is committed from now on, on
  // one thread or from within Commit; it must not call the store. Of those since the position
  // `after`, too, if that is not 0 and they are all known. What is reclaimed is not told. Null
  // where nothing is told.
  virtual std::unique_ptr<ChangeWatch> WatchChanges(std::uint64_t /*after*/,
                                                    std::function<void(RecordChanges)> /*hear*/) {
    return nullptr;
  }

  // Free and reserved bytes on the store's file system, where it has one.
  struct Space {
    std::uint64_t free_bytes = 0;
    std::uint64_t total_bytes = 0;
  };
  virtual std::optional<Space> FreeSpace() { return std::nullopt; }

  // About how many bytes the records of a namespace take, where the store can tell.
  virtual std::optional<std::uint64_t> StoredBytes(std::string_view /*name_space*/) {
    return std::nullopt;
  }

  // Syncs and closes. Called once, after the last other call.
  virtual absl::Status Close() = 0;
};

// Whether this answer means that the store has failed for good, and not only that it did not
// answer.
inline bool HasFailed(const RecordStore& store, const absl::Status& answer) {
  return !answer.ok() && (store.exclusive() || absl::IsFailedPrecondition(answer));
}

// How much of a record nobody can see any more.
enum class Expired {
  kNothing,
  kPart,
  kAll,
};

// Tells a store what it may reclaim: kAll is a record that the machine, too, takes for forgotten;
// with kPart the record has been changed into what is to be stored in its place. Called from any
// thread, also from within a compaction; must be quick and must not call the store.
using Expire = std::function<Expired(std::string_view store_key, Record& record)>;

}  // namespace latchkey::storage
