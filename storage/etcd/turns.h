// Whose turn it is to do what any server may do, and one should at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/clock.h"
#include "storage/etcd/etcd_client.h"

namespace latchkey::storage {

// A key in etcd says how far the last turn came. Whoever has seen it unchanged for long enough on
// its own clock takes the next one with a conditional write; so no clocks are compared, the dead
// are not waited for, and of two that try one does. Not thread-safe.
class Turns {
 public:
  // `client` and `clock` outlive it.
  Turns(EtcdClient& client, std::string key, Clock& clock)
      : client_(client), key_(std::move(key)), clock_(clock) {}

  // What the next turn makes of what the last one left ("" at first); nothing: it cannot be said.
  using Next = std::function<std::optional<std::string>(const std::string& last)>;
  // How long what was left has to stay so.
  using Pause = std::function<Duration(const std::string& last)>;

  // One look. If a turn is due, and taken: what the last one left.
  std::optional<std::string> Take(const Pause& pause, const Next& next);

 private:
  EtcdClient& client_;
  const std::string key_;
  Clock& clock_;
  // What the key was when it was first seen so.
  std::int64_t seen_revision_ = -1;
  MonotonicTime seen_at_;
};

}  // namespace latchkey::storage
