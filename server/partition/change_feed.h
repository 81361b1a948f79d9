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
class ChangeFeed {
 public:
  // Revisions begin above `first_revision`.
  ChangeFeed(const Limits& limits, std::uint64_t first_revision);

  // Whether changes are to be published.
  bool watched() const { return watched_.load(); }
  // This is what was committed for the key; none: it is gone.
  void Publish(const std::string& store_key, const std::optional<storage::v1::Record>& record,
               const Context& context);

  // From now on changes are kept. What came before, if they were not, counts as missed.
  void Begin();
  // Nobody watches any more: all is dropped.
  void End();
  // The newest that was given.
  std::uint64_t revision() const;

  // What a watcher is to be told next.
  struct Next {
    // Go on from here.
    std::uint64_t revision = 0;
    // The next change; null: none up to `revision`.
    std::shared_ptr<const v1::WatchRecordsResponse> change;
    // Not all changes up to `revision` are known.
    bool missed = false;
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

  const Limits& limits_;
  std::function<void()> on_change_;
  std::atomic<bool> watched_ = false;

  mutable Mutex mutex_;
  std::uint64_t revision_ GUARDED_BY(mutex_);
  // The last so many revisions, oldest first.
  std::deque<Change> changes_ GUARDED_BY(mutex_);
  std::size_t bytes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace latchkey
