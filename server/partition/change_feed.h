// What was committed last, for those who watch: a bounded memory of changes, each with a revision.
// Nobody is buffered for: a watcher has a place in the feed, and one that falls behind what is kept
// is told so.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "server/machine/record_machine.h"

namespace latchkey::v1 {
class WatchRecordsResponse;
}

namespace latchkey {

// Leaves out a payload over the limit, and says so.
void LeaveOutLargePayload(const Limits& limits, v1::WatchRecordsResponse* response);

// Thread-safe. Revisions rise strictly over the whole store, and a new process gives none that an
// earlier one may have given. While nobody watches, changes are neither kept nor counted, and cost
// one look at a flag.
//
// Over an exclusive store the partitions publish what they commit. Over a shared one it is the
// store that tells of changes, whichever server makes them; its positions are the revisions, and
// mean the same at every server.
class ChangeFeed {
 public:
  // Of an exclusive store. Revisions begin above `first_revision`.
  ChangeFeed(const Limits& limits, std::uint64_t first_revision);
  // Of a shared store: nothing is known until the store has begun to tell.
  explicit ChangeFeed(const Limits& limits) : limits_(limits), told_by_store_(true) {}

  // Whether changes are to be published.
  bool watched() const { return watched_.load(); }
  // This is what was committed for the key; none: it is gone. Of an exclusive store.
  void Publish(const std::string& store_key, const std::optional<storage::v1::Record>& record,
               const Context& context);

  // From now on changes are kept. What came before, if they were not, counts as missed; but a
  // shared store is asked to tell from `after` on, if that is not 0.
  void Begin(std::uint64_t after = 0);
  // Nobody watches any more: all is dropped.
  void End();
  // The newest that was given, or that the store has told of.
  std::uint64_t revision() const;
  // Whether that is known yet, so that a watch can begin. Always, of an exclusive store.
  bool known() const;

  // Of a shared store. Where it should begin to tell; 0: with what is newest.
  std::uint64_t begin_after() const;
  // What the store tells begins after this; what there was before is missed.
  void Restart(std::uint64_t revision);
  // As Publish, of a change that was told. Above all revisions before.
  void PublishTold(const std::string& store_key, const std::optional<storage::v1::Record>& record,
                   const Context& context, std::uint64_t revision);
  // All up to here was published.
  void Advance(std::uint64_t revision);
  // The store tells no more.
  void Forget();

  // What a watcher is to be told next.
  struct Next {
    // Go on from here.
    std::uint64_t revision = 0;
    // The next change; null: none up to `revision`.
    std::shared_ptr<const v1::WatchRecordsResponse> change;
    // Not all changes up to `revision` are known.
    bool missed = false;
    // With `missed`: what was asked for is newer than all that this server has been told of. It may
    // come, if another server gave that revision.
    bool ahead = false;
    // There may be more at once.
    bool more = false;
  };
  // Looks for a change after `revision` whose store key begins so; at some of them, if they are
  // many.
  Next After(std::uint64_t revision, std::string_view prefix) const;

  // Called after changes were published, on partition threads. Set before anybody watches.
  void set_on_change(std::function<void()> on_change) { on_change_ = std::move(on_change); }
  void Announce() const {
    if (on_change_) on_change_();
  }

 private:
  struct Change {
    std::string store_key;
    std::shared_ptr<const v1::WatchRecordsResponse> response;
    std::size_t bytes = 0;
  };

  // The next revision is this, and it is kept.
  void Keep(const std::string& store_key, std::shared_ptr<v1::WatchRecordsResponse> response,
            std::uint64_t revision) REQUIRES(mutex_);
  void Drop() REQUIRES(mutex_);

  const Limits& limits_;
  const bool told_by_store_ = false;
  std::function<void()> on_change_;
  std::atomic<bool> watched_ = false;

  mutable Mutex mutex_;
  std::uint64_t revision_ GUARDED_BY(mutex_) = 0;
  bool known_ GUARDED_BY(mutex_) = false;
  std::uint64_t begin_after_ GUARDED_BY(mutex_) = 0;
  // All changes after this one up to `revision_` are kept, oldest first.
  std::uint64_t kept_after_ GUARDED_BY(mutex_) = 0;
  std::deque<Change> changes_ GUARDED_BY(mutex_);
  std::size_t bytes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace latchkey
