#include "storage/etcd/change_watch.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace latchkey::storage {
namespace {

// What stands for a whole revision has the last place: above all of its events, which are two for
// each write at most.
static_assert(2 * kTxnWritesMax < kPlacesMax);

// Whether nothing but an expired payload has gone.
bool IsReclaimed(const etcdserverpb::Event& event, const Loaded& now) {
  if (!event.has_prev_kv()) return false;
  Loaded before = DecodeValue(event.prev_kv(), /*live=*/false);
  if (!before.record.has_value() || !now.record.has_value()) return false;
  if (before.record->result().payload().empty() || !now.record->result().payload().empty()) {
    return false;
  }
  auto& result = *before.record->mutable_result();
  result.clear_payload();
  result.set_payload_digest(now.record->result().payload_digest());
  return before.record->SerializeAsString() == now.record->SerializeAsString();
}

}  // namespace

EtcdChangeWatch::EtcdChangeWatch(EtcdClient& client, const KeyLayout& layout, std::uint64_t after,
                                 std::function<void(RecordChanges)> hear)
    : client_(client),
      layout_(layout),
      live_root_(layout.Live("")),
      done_root_(layout.Done("")),
      hear_(std::move(hear)),
      after_(after),
      follower_(client, Create(),
                {.begin = [this] { return Begin(); },
                 .take = [this](const auto& response) { return Take(response); }}) {}

etcdserverpb::WatchCreateRequest EtcdChangeWatch::Create() const {
  etcdserverpb::WatchCreateRequest create;
  create.set_key(layout_.root());
  create.set_range_end(KeyLayout::EndOf(layout_.root()));
  create.set_prev_kv(true);
  create.set_fragment(true);
  return create;
}

std::int64_t EtcdChangeWatch::Begin() {
  etcdserverpb::RangeRequest request;
  request.set_key(layout_.Floor());
  const auto found = client_.Range(request);
  if (!found.ok() || found->kvs().empty()) return 0;
  const auto floor = DecodeFloor(found->kvs(0).value());
  if (!floor.has_value()) return 0;
  floor_ = *floor;
  const std::int64_t newest = found->header().revision();
  told_ = TokenAt(floor_, newest, kPlacesMax);
  next_ = newest + 1;
  // Counted from where it is now? If etcd has given up that revision, this begins once more.
  const std::uint64_t after = std::exchange(after_, 0);
  if (after >= TokenAt(floor_, found->kvs(0).mod_revision(), 0) && after < told_) {
    told_ = after;
    next_ = RevisionAt(floor_, after);
  }
  hear_({.begins = true, .position = told_});
  return next_;
}

std::int64_t EtcdChangeWatch::Take(const etcdserverpb::WatchResponse& response) {
  if (response.created()) {
    // What broke off in the middle of a revision comes again.
    gathered_.clear();
    gathered_events_ = 0;
  }
  RecordChanges told;
  for (const auto& event : response.events()) {
    if (event.kv().mod_revision() != gathered_revision_) Tell(told);
    gathered_revision_ = event.kv().mod_revision();
    Gather(event);
  }
  if (!response.fragment()) Tell(told);
  if (told.position != 0) hear_(std::move(told));
  return next_;
}

void EtcdChangeWatch::Gather(const etcdserverpb::Event& event) {
  const std::string& key = event.kv().key();
  if (key.starts_with(live_root_)) {
    GatherRecord(event, key.substr(live_root_.size()), /*live=*/true);
  } else if (key.starts_with(done_root_)) {
    GatherRecord(event, key.substr(done_root_.size()), /*live=*/false);
  } else if (key == layout_.Floor()) {
    const TokenFloor floor = DecodeFloor(event.kv().value()).value_or(TokenFloor());
    floor_.value = std::max(floor_.value, floor.value);
  }
  ++gathered_events_;
}

void EtcdChangeWatch::GatherRecord(const etcdserverpb::Event& event, std::string store_key,
                                   bool live) {
  const bool gone = event.type() == etcdserverpb::Event::DELETE;
  auto same = std::ranges::find_if(
      gathered_, [&](const Gathered& one) { return one.change.store_key == store_key; });
  if (same != gathered_.end() && gone) return;  // it has moved
  Gathered now;
  now.change.store_key = std::move(store_key);
  now.change.position = TokenAt(floor_, gathered_revision_, gathered_events_);
  if (gone) {
    // Records that are not live are only ever changed, or reclaimed.
    now.reclaimed = !live;
  } else {
    now.change.loaded = DecodeValue(event.kv(), live);
    now.reclaimed = !live && IsReclaimed(event, now.change.loaded);
  }
  if (same == gathered_.end()) {
    gathered_.push_back(std::move(now));
  } else {
    now.change.position = same->change.position;
    *same = std::move(now);
  }
}

void EtcdChangeWatch::Tell(RecordChanges& told) {
  if (gathered_events_ == 0) return;
  for (Gathered& one : gathered_) {
    if (one.reclaimed || one.change.position <= told_) continue;
    told.changes.push_back(std::move(one.change));
  }
  gathered_.clear();
  gathered_events_ = 0;
  told_ = std::max(told_, TokenAt(floor_, gathered_revision_, kPlacesMax));
  told.position = told_;
  next_ = gathered_revision_ + 1;
}

}  // namespace latchkey::storage
