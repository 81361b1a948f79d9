// The calls that wait for one key: AcquireLock calls first in, first out, and CheckResult calls,
// which wait for completion and take no place in the queue.
#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "base/time.h"
#include "server/partition/call.h"

namespace latchkey {

struct Waiter {
  Call* call = nullptr;
  MonotonicTime deadline;
};

// Until when a call may wait; those that do not ask to, until they arrive.
MonotonicTime WaitDeadlineOf(const Call& call);

// Not thread-safe. The calls outlive their stay in the queue.
class WaitQueue {
 public:
  using Place = std::list<Waiter>::iterator;

  // At the end of the queue.
  void AddAcquire(Waiter waiter);
  void AddCheck(Waiter waiter);

  // An AcquireLock call of this attempt that waits, if any; with `holder_id`, the one that has
  // that, too. There is never more than one of each.
  const Call* FindAttempt(std::string_view attempt_id) const;
  const Waiter* FindAttempt(std::string_view attempt_id, std::string_view holder_id) const;
  // Puts a retry in the place of the call it repeats.
  void TakeOver(const Call* old, Waiter retry);

  // Whether this call waits here; the waiter if so.
  const Waiter* Find(const Call* call) const;
  // Returns the place after it, which is `acquires().end()` or `checks().end()` for the last one.
  Place Remove(const Call* call);

  std::list<Waiter>& acquires() { return acquires_; }
  std::list<Waiter>& checks() { return checks_; }
  // Who has waited longest, of those who want the key if there are any. There is somebody.
  const Call* First() const { return (acquires_.empty() ? checks_ : acquires_).front().call; }
  std::size_t size() const { return acquires_.size() + checks_.size(); }
  bool empty() const { return acquires_.empty() && checks_.empty(); }

  // The place in the queue, from 1; 0 for a call that is not in it.
  std::size_t PositionOf(const Call* call) const;

  // Whether any waiter brought a fingerprint other than this one.
  bool HasOtherFingerprint(const std::string& fingerprint) const;

 private:
  // attempt_id, holder_id.
  using Attempt = std::pair<std::string_view, std::string_view>;

  void Count(const Call& call, int by);

  std::list<Waiter> acquires_;
  std::list<Waiter> checks_;
  absl::flat_hash_map<const Call*, Place> places_;
  // The views point into the requests of the calls.
  absl::btree_map<Attempt, const Call*> attempts_;
  // How many waiters brought each fingerprint; most often there is one, or none.
  absl::flat_hash_map<std::string, int> fingerprints_;
};

}  // namespace latchkey
