#include "server/service/record_watches.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "server/access/rpc_roles.h"
#include "server/service/at_once.h"
#include "server/service/grpc_status.h"
#include "storage/store_key.h"
#include <grpcpp/server_context.h>

namespace latchkey {
namespace {

// Records of the present state that are read at a time: few, because a slow watcher keeps them.
constexpr std::uint32_t kPageSize = 32;

// For what is being written when the server is told to end: it is looked at so often, and each time
// for so long at most.
constexpr int kLastWriteLooks = 50;
constexpr Duration kLastWriteLook = std::chrono::milliseconds(10);

Refusal TooManyWatchers(const Limits& limits) {
  const std::string most = std::to_string(limits.watchers);
  return {v1::Refusal::WATCHERS_LIMIT,
          "the most streams of WatchRecords, " + most + ", are open; share one, or try again",
          {{"watchers_max", most}},
          std::chrono::seconds(1)};
}

}  // namespace

// Owned by gRPC, which is done with it only after Finish; that the thread alone calls, and nothing
// of it is touched by the thread afterwards.
class RecordWatches::Stream final : public grpc::ServerWriteReactor<v1::WatchRecordsResponse> {
 public:
  Stream(RecordWatches& watches, grpc::CallbackServerContext& context,
         const v1::WatchRecordsRequest& request, Caller caller)
      : watches_(watches),
        context_(context),
        caller_(std::move(caller)),
        name_space_(NamespaceOrDefault(request.namespace_())),
        prefix_(storage::MakeStoreKey(name_space_, request.key_prefix())),
        place_(request.after_revision()),
        present_(request.after_revision() == 0) {
    list_.set_namespace_(request.namespace_());
    list_.set_key_prefix(request.key_prefix());
    list_.set_page_size(kPageSize);
    StartSendInitialMetadata();
  }

  void OnWriteDone(bool ok) override { SetIdle(/*broken=*/!ok); }
  void OnCancel() override {
    {
      MutexLock lock(watches_.mutex_);
      broken_ = true;
    }
    watches_.Wake();
  }
  void OnDone() override { delete this; }

  // With the mutex of the watches held.
  bool idle() const { return idle_; }
  bool broken() const { return broken_; }
  void Take() { idle_ = false; }

  // What follows is the thread's.

  // Why the caller may not watch any more; none: he may.
  std::optional<Refusal> CheckCaller() {
    return caller_.Check(RoleFor<v1::WatchRecordsRequest>::kRole, name_space_);
  }

  // Writes the next message, or reads more of the present state, and is idle again when that is
  // done. False: there is nothing to write now. `refusal`: the stream has to end.
  bool Go(bool tick, std::optional<Refusal>* refusal) {
    if (list_refusal_.has_value()) {
      *refusal = std::move(list_refusal_);
      return false;
    }
    if (!begun_ && !Begin()) return false;
    if (present_) return GoThroughPresent();
    while (true) {
      ChangeFeed::Next next = watches_.feed_.After(place_, prefix_);
      // Another server may be ahead of this one, though not for long.
      if (next.ahead && !(tick && std::exchange(waited_, true))) return false;
      place_ = next.revision;
      if (next.change != nullptr) {
        change_ = std::move(next.change);
        told_ = place_;
        StartWrite(change_.get());
        return true;
      }
      if (next.missed) return Tell(/*missed=*/true);
      if (!next.more) break;
    }
    return tick && told_ != place_ && Tell(/*missed=*/false);
  }

  // There was nothing to do.
  void Rest() {
    MutexLock lock(watches_.mutex_);
    idle_ = true;
  }

  void End(const grpc::Status& status) { Finish(status); }
  void Break() { context_.TryCancel(); }

 private:
  void SetIdle(bool broken) {
    {
      MutexLock lock(watches_.mutex_);
      idle_ = true;
      broken_ = broken_ || broken;
    }
    watches_.Wake();
  }

  // Begins at the newest revision where the present state is asked for. False: it is not known yet.
  bool Begin() {
    begun_ = watches_.feed_.known();
    if (begun_ && present_) place_ = watches_.feed_.revision();
    return begun_;
  }

  bool Tell(bool missed) {
    auto response = std::make_shared<v1::WatchRecordsResponse>();
    response->set_revision(place_);
    response->set_missed_changes(missed);
    change_ = std::move(response);
    told_ = place_;
    StartWrite(change_.get());
    return true;
  }

  bool GoThroughPresent() {
    for (auto& record : *page_.mutable_records()) {
      auto response = std::make_shared<v1::WatchRecordsResponse>();
      response->mutable_record()->Swap(&record);
      response->mutable_record()->clear_lease_remaining();
      response->mutable_record()->clear_waiters();
      LeaveOutLargePayload(watches_.environment_.limits, response.get());
      records_.push_back(std::move(response));
    }
    page_.clear_records();
    if (!records_.empty()) {
      change_ = std::move(records_.front());
      records_.pop_front();
      StartWrite(change_.get());
      return true;
    }
    if (listed_ && page_.next_page_token().empty()) {
      present_ = false;
      return Tell(/*missed=*/false);
    }
    list_.set_page_token(page_.next_page_token());
    page_.Clear();
    listed_ = true;
    watches_.lister_.List(list_, &page_, [this](const std::optional<Refusal>& refusal) {
      list_refusal_ = refusal;
      SetIdle(/*broken=*/false);
    });
    return true;
  }

  RecordWatches& watches_;
  grpc::CallbackServerContext& context_;
  Caller caller_;
  const std::string name_space_;
  const std::string prefix_;

  // With the mutex of the watches held. Nothing is being written, nor read for it.
  bool idle_ = true;
  bool broken_ = false;

  bool begun_ = false;
  // What it asked for has been waited for.
  bool waited_ = false;
  // Changes up to here were looked at, and the watcher was told of so many.
  std::uint64_t place_;
  std::uint64_t told_ = 0;
  // What is being written.
  std::shared_ptr<const v1::WatchRecordsResponse> change_;

  // The present state comes first, page by page. The lister fills a page while the stream is not
  // idle.
  bool present_;
  bool listed_ = false;
  v1::ListRecordsRequest list_;
  v1::ListRecordsResponse page_;
  std::optional<Refusal> list_refusal_;
  std::deque<std::shared_ptr<const v1::WatchRecordsResponse>> records_;
};

RecordWatches::RecordWatches(const CallEnvironment& environment, ChangeFeed& feed,
                             RecordLister& lister, StoreChanges* store_changes)
    : environment_(environment),
      feed_(feed),
      lister_(lister),
      store_changes_(store_changes),
      thread_([this] { Run(); }) {
  feed_.set_on_change([this] { Wake(); });
}

RecordWatches::~RecordWatches() { Stop(); }

grpc::ServerWriteReactor<v1::WatchRecordsResponse>* RecordWatches::Open(
    grpc::CallbackServerContext& context, const v1::WatchRecordsRequest& request, Caller caller) {
  MutexLock lock(mutex_);
  if (stopping_) return Refuse(ShuttingDown());
  if (streams_.size() >= environment_.limits.watchers) {
    return Refuse(TooManyWatchers(environment_.limits));
  }
  auto* stream = new Stream(*this, context, request, std::move(caller));
  feed_.Begin(request.after_revision());
  streams_.insert(stream);
  awake_ = true;
  changed_.NotifyAll();
  return stream;
}

grpc::ServerWriteReactor<v1::WatchRecordsResponse>* RecordWatches::Refuse(const Refusal& refusal) {
  using Reactor = grpc::ServerWriteReactor<v1::WatchRecordsResponse>;
  return new EndedStream<Reactor>(StatusFor(refusal));
}

grpc::Status RecordWatches::StatusFor(const Refusal& refusal) const {
  environment_.meter.OnRefused(Rpc::kWatchRecords, refusal.reason);
  return ToGrpcStatus(refusal);
}

void RecordWatches::Tick() {
  MutexLock lock(mutex_);
  const MonotonicTime now = environment_.clock.Monotonic();
  if (!streams_.empty()) {
    last_watched_ = now;
    tick_ = true;
    changed_.NotifyAll();
  } else if (feed_.watched() && now - last_watched_ > environment_.limits.watch_memory) {
    feed_.End();
    awake_ = true;
    changed_.NotifyAll();
  }
}

void RecordWatches::Stop() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
    for (int i = 0; i < kLastWriteLooks && !streams_.empty(); ++i) {
      changed_.WaitFor(mutex_, kLastWriteLook);
    }
    // Whoever does not read what is being written to him would keep the server from ending.
    for (Stream* stream : streams_) {
      if (!stream->idle()) stream->Break();
    }
    changed_.NotifyAll();
  }
  if (thread_.joinable()) thread_.join();
}

bool RecordWatches::AnyIdle() const {
  return std::ranges::any_of(streams_, [](const Stream* stream) { return stream->idle(); });
}

void RecordWatches::Wake() {
  MutexLock lock(mutex_);
  awake_ = true;
  changed_.NotifyAll();
}

bool RecordWatches::Await(std::vector<Stream*>& idle, bool* tick) {
  idle.clear();
  MutexLock lock(mutex_);
  while (!awake_ && !tick_ && !stopping_) changed_.Wait(mutex_);
  if (stopping_ && streams_.empty()) return false;
  while (stopping_ && !AnyIdle()) changed_.Wait(mutex_);
  *tick = std::exchange(tick_, false);
  awake_ = false;
  for (Stream* stream : streams_) {
    if (stream->idle()) idle.push_back(stream);
  }
  for (Stream* stream : idle) stream->Take();
  return true;
}

void RecordWatches::Run() {
  std::vector<Stream*> streams;
  bool tick = false;
  while (Await(streams, &tick)) {
    if (store_changes_ != nullptr) store_changes_->Follow();
    for (Stream* stream : streams) {
      bool broken = false;
      bool stopping = false;
      {
        MutexLock lock(mutex_);
        broken = stream->broken();
        stopping = stopping_;
      }
      std::optional<Refusal> refusal = stopping ? ShuttingDown() : stream->CheckCaller();
      if (!broken && !refusal.has_value() && stream->Go(tick, &refusal)) continue;
      if (broken || refusal.has_value()) {
        Remove(stream);
        stream->End(refusal.has_value() ? StatusFor(*refusal) : grpc::Status::CANCELLED);
      } else {
        stream->Rest();
      }
    }
  }
  if (store_changes_ != nullptr) store_changes_->Stop();
}

void RecordWatches::Remove(Stream* stream) {
  MutexLock lock(mutex_);
  streams_.erase(stream);
  changed_.NotifyAll();
}

}  // namespace latchkey
