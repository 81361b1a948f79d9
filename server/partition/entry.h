// One key in the memory of its partition. Part of partition.h.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/partition/partition.h"
#include "storage/store_key.h"

namespace latchkey {

struct Partition::Entry {
  Entry(std::string key, const NamespaceSettings& namespace_settings, std::uint64_t its_number)
      : store_key(std::move(key)), settings(&namespace_settings), number(its_number) {}

  std::string_view name_space() const { return storage::SplitStoreKey(store_key).name_space; }
  std::string_view key() const { return storage::SplitStoreKey(store_key).key; }
  v1::CheckResultResponse::State state_now() const {
    return state.record.has_value() ? state.record->state() : v1::CheckResultResponse::ABSENT;
  }
  bool held() const { return state_now() == v1::CheckResultResponse::HELD; }
  std::size_t waiting() const { return waiters == nullptr ? 0 : waiters->size(); }

  const std::string store_key;
  const NamespaceSettings* settings;
  const std::uint64_t number;  // of all entries that the partition made
  KeyState state;
  storage::Revision revision = 0;
  bool corrupt = false;
  // Made when the first call waits; most keys never have one.
  std::unique_ptr<WaitQueue> waiters;
  // When the lease timer is set to fire; a renewal moves the deadline and leaves the timer.
  std::optional<MonotonicTime> timer;
  // The replies with the newest grant that were sent, or may have been. While there is one the
  // grant is not taken back.
  std::uint64_t grant_replies = 0;
  // While HELD: since when, or since this process serves.
  MonotonicTime held_since{};
  // While IN_DOUBT: since when, as the meter was told. 0: it is not.
  std::int64_t doubt_since_nanos = 0;
  // Who hears that the lease is lost. Whoever was granted or renewed it last.
  std::weak_ptr<LeaseListener> listener;

  // The batch at hand.
  bool visited = false;
  bool staged = false;
  bool deferred = false;  // a call on it had to wait for the next batch, so all later ones do, too

  // Over a shared store, see shared_rounds.cc. What is above is then what was last heard of the
  // key; a key of which nothing was heard is taken for absent. It was so at some moment since then;
  // unset: nobody knows.
  std::optional<MonotonicTime> confirmed_at;
  // The list of all that is live has named it.
  bool told = true;
  // The batch at hand: something was decided, and has to be confirmed; among it is a change;
  // nothing more can be decided before. With a change: what the key was before.
  bool asked = false;
  bool changes = false;
  bool busy = false;
  std::unique_ptr<KeyState> saved;
  storage::WriteResult::Outcome outcome{};
  // Work on it is left for the next batch, which needs to know what this one has learned.
  bool kept = false;
};

}  // namespace latchkey
