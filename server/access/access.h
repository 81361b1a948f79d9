// The rules of access in force.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/mutex.h"
#include "server/access/access_rules.h"

namespace latchkey {

// Thread-safe.
class Access {
 public:
  explicit Access(std::shared_ptr<const AccessRules> rules) : rules_(std::move(rules)) {}

  std::shared_ptr<const AccessRules> rules() const {
    MutexLock lock(mutex_);
    return rules_;
  }

  // In force, for every call that is looked at from now on, also on streams that are open.
  void Replace(std::shared_ptr<const AccessRules> rules) {
    MutexLock lock(mutex_);
    rules_ = std::move(rules);
    generation_.fetch_add(1, std::memory_order_release);
  }

  // Rises with every Replace; to be read before the rules are.
  std::uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

 private:
  mutable Mutex mutex_;
  std::shared_ptr<const AccessRules> rules_ GUARDED_BY(mutex_);
  std::atomic<std::uint64_t> generation_ = 1;
};

}  // namespace latchkey
