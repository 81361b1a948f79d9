#include "storage/etcd/live_watch.h"

#include <algorithm>
#include <utility>

#include "storage/etcd/record_txn.h"

namespace latchkey::storage {
namespace {

constexpr std::int64_t kPage = 1'000;

}  // namespace

EtcdLiveWatch::EtcdLiveWatch(EtcdClient& client, const KeyLayout& layout,
                             std::function<void(LiveChanges)> hear)
    : client_(client),
      first_(layout.Live("")),
      end_(KeyLayout::EndOf(first_)),
      hear_(std::move(hear)),
      follower_(client, Create(),
                {.begin = [this] { return TellAll(); },
                 .take = [this](const auto& response) { return Take(response); }}) {}

etcdserverpb::WatchCreateRequest EtcdLiveWatch::Create() const {
  etcdserverpb::WatchCreateRequest create;
  create.set_key(first_);
  create.set_range_end(end_);
  create.set_progress_notify(true);
  return create;
}

std::int64_t EtcdLiveWatch::TellAll() {
  etcdserverpb::RangeRequest request;
  request.set_key(first_);
  request.set_range_end(end_);
  request.set_limit(kPage);
  LiveChanges told{.begins = true};
  while (!told.complete) {
    const auto page = client_.Range(request);
    if (!page.ok() || follower_.stopping()) return 0;
    if (request.revision() == 0) request.set_revision(page->header().revision());
    for (const auto& stored : page->kvs()) {
      told.changes.push_back({stored.key().substr(first_.size()), DecodeValue(stored, true)});
    }
    told.complete = !page->more();
    if (page->more()) request.set_key(page->kvs(page->kvs_size() - 1).key() + '\0');
    hear_(std::exchange(told, {.complete = told.complete}));
  }
  next_ = request.revision() + 1;
  return next_;
}

std::int64_t EtcdLiveWatch::Take(const etcdserverpb::WatchResponse& response) {
  if (response.events().empty()) {
    if (!response.created()) next_ = std::max(next_, response.header().revision() + 1);
    return next_;
  }
  LiveChanges told;
  for (const auto& event : response.events()) {
    const auto& stored = event.kv();
    const bool gone = event.type() == etcdserverpb::Event::DELETE;
    told.changes.push_back(
        {stored.key().substr(first_.size()),
         gone ? Loaded{.record = {}, .revision = RevisionOf(stored.mod_revision(), false)}
              : DecodeValue(stored, true)});
    next_ = std::max(next_, stored.mod_revision() + 1);
  }
  told.complete = true;
  hear_(std::move(told));
  return next_;
}

}  // namespace latchkey::storage
