// A value that may be replaced while others read it.
#pragma once

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace latchkey {

// Reading costs one load, and what was read stays valid as long as the Replaceable: values that
// were replaced are kept. So it is for what changes now and then, by a person's hand. Thread-safe.
template <class Value>
class Replaceable {
 public:
  explicit Replaceable(Value value) { Replace(std::move(value)); }

  const Value& Get() const { return *now_.load(std::memory_order_acquire); }

  void Replace(Value value) {
    MutexLock lock(mutex_);
    values_.push_back(std::make_unique<const Value>(std::move(value)));
    now_.store(values_.back().get(), std::memory_order_release);
  }

 private:
  Mutex mutex_;
  std::vector<std::unique_ptr<const Value>> values_ GUARDED_BY(mutex_);
  std::atomic<const Value*> now_ = nullptr;
};

}  // namespace latchkey
