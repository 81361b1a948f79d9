// How many records of each namespace are held and in doubt: for quotas, status and metrics.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/mutex.h"

namespace latchkey {

// Thread-safe. Remembers only namespaces that have any, so that made-up names cost nothing.
class LiveCounts {
 public:
  struct Counts {
    std::uint64_t held = 0;
    std::uint64_t in_doubt = 0;
    std::uint64_t live() const { return held + in_doubt; }
  };

  void Add(std::string_view name_space, int held, int in_doubt);
  Counts Get(std::string_view name_space) const;
  std::map<std::string, Counts> All() const;

 private:
  mutable Mutex mutex_;
  std::map<std::string, Counts, std::less<>> counts_ GUARDED_BY(mutex_);
};

}  // namespace latchkey
