// Things that fall due at a time.
#pragma once

#include <optional>
#include <utility>

#include "absl/container/btree_set.h"
#include "base/time.h"

namespace latchkey {

// Ordered by time, then by item. Adding and removing take logarithmic time. Not thread-safe.
template <class Item>
class TimerQueue {
 public:
  void Add(MonotonicTime due, Item item) { queue_.emplace(due, item); }
  void Remove(MonotonicTime due, Item item) { queue_.erase({due, item}); }

  std::optional<MonotonicTime> Next() const {
    if (queue_.empty()) return std::nullopt;
    return queue_.begin()->first;
  }

  // Takes out the first item that is due, if there is one.
  std::optional<Item> PopDue(MonotonicTime now) {
    if (queue_.empty() || queue_.begin()->first > now) return std::nullopt;
    Item item = queue_.begin()->second;
    queue_.erase(queue_.begin());
    return item;
  }

  void Clear() { queue_.clear(); }

 private:
  absl::btree_set<std::pair<MonotonicTime, Item>> queue_;
};

}  // namespace latchkey
