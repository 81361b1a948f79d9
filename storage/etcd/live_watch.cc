#include "storage/etcd/live_watch.h"

#include <algorithm>
#include <utility>

#include "storage/etcd/record_txn.h"

namespace latchkey::storage {
namespace {

constexpr std::int64_t kPage = 1'000;
constexpr Duration kPauseAfterFailure = std::chrono::milliseconds(100);

}  // namespace

EtcdLiveWatch::EtcdLiveWatch(EtcdClient& client, const KeyLayout& layout,
                             std::function<void(LiveChanges)> hear)
    : client_(client),
      first_(layout.Live("")),
      end_(KeyLayout::EndOf(first_)),
      hear_(std::move(hear)),
      thread_([this] { Run(); }) {}

EtcdLiveWatch::~EtcdLiveWatch() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    if (context_ != nullptr) context_->TryCancel();
    changed_.NotifyAll();
  }
  thread_.join();
}

bool EtcdLiveWatch::stopping() {
  MutexLock lock(mutex_);
  return stopping_;
}

void EtcdLiveWatch::Pause() {
  MutexLock lock(mutex_);
  if (!stopping_) changed_.WaitFor(mutex_, kPauseAfterFailure);
}

void EtcdLiveWatch::Run() {
  while (!stopping()) {
    const bool well = next_ == 0 ? TellAll() : Follow();
    if (!well) Pause();
  }
}

bool EtcdLiveWatch::TellAll() {
  etcdserverpb::RangeRequest request;
  request.set_key(first_);
  request.set_range_end(end_);
  request.set_limit(kPage);
  LiveChanges told{.begins = true};
  while (!told.complete) {
    const auto page = client_.Range(request);
    if (!page.ok() || stopping()) return false;
    if (request.revision() == 0) request.set_revision(page->header().revision());
    for (const auto& stored : page->kvs()) {
      told.changes.push_back({stored.key().substr(first_.size()), DecodeValue(stored, true)});
    }
    told.complete = !page->more();
    if (page->more()) request.set_key(page->kvs(page->kvs_size() - 1).key() + '\0');
    hear_(std::exchange(told, {.complete = told.complete}));
  }
  next_ = request.revision() + 1;
  return true;
}

std::shared_ptr<grpc::ClientContext> EtcdLiveWatch::NewContext() {
  MutexLock lock(mutex_);
  context_ = stopping_ ? nullptr : std::make_shared<grpc::ClientContext>();
  return context_;
}

bool EtcdLiveWatch::Follow() {
  const auto context = NewContext();
  if (context == nullptr) return false;
  const auto stream = client_.Watch(*context);
  if (stream == nullptr) return false;
  etcdserverpb::WatchRequest request;
  auto& create = *request.mutable_create_request();
  create.set_key(first_);
  create.set_range_end(end_);
  create.set_start_revision(next_);
  create.set_progress_notify(true);
  bool told = false;
  etcdserverpb::WatchResponse response;
  if (stream->Write(request)) {
    while (stream->Read(&response) && Take(response)) told = true;
  }
  context->TryCancel();
  (void)stream->Finish();
  return told && next_ != 0;
}

bool EtcdLiveWatch::Take(const etcdserverpb::WatchResponse& response) {
  if (response.canceled()) {
    if (response.compact_revision() != 0) next_ = 0;
    return false;
  }
  if (response.events().empty()) {
    if (!response.created()) next_ = std::max(next_, response.header().revision() + 1);
    return true;
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
  return true;
}

}  // namespace latchkey::storage
