#include "storage/etcd/range_follower.h"

#include <utility>

namespace latchkey::storage {
namespace {

constexpr Duration kPauseAfterFailure = std::chrono::milliseconds(100);

}  // namespace

RangeFollower::RangeFollower(EtcdClient& client, etcdserverpb::WatchCreateRequest create,
                             Steps steps)
    : client_(client),
      create_(std::move(create)),
      steps_(std::move(steps)),
      thread_([this] { Run(); }) {}

RangeFollower::~RangeFollower() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    if (context_ != nullptr) context_->TryCancel();
    changed_.NotifyAll();
  }
  thread_.join();
}

bool RangeFollower::stopping() {
  MutexLock lock(mutex_);
  return stopping_;
}

void RangeFollower::Pause() {
  MutexLock lock(mutex_);
  if (!stopping_) changed_.WaitFor(mutex_, kPauseAfterFailure);
}

void RangeFollower::Run() {
  while (!stopping()) {
    bool well = true;
    if (next_ == 0) {
      next_ = steps_.begin();
      well = next_ != 0;
    } else {
      well = Follow();
    }
    if (!well) Pause();
  }
}

std::shared_ptr<grpc::ClientContext> RangeFollower::NewContext() {
  MutexLock lock(mutex_);
  context_ = stopping_ ? nullptr : std::make_shared<grpc::ClientContext>();
  return context_;
}

bool RangeFollower::Follow() {
  const auto context = NewContext();
  if (context == nullptr) return false;
  const auto stream = client_.Watch(*context);
  if (stream == nullptr) return false;
  etcdserverpb::WatchRequest request;
  *request.mutable_create_request() = create_;
  request.mutable_create_request()->set_start_revision(next_);
  bool told = false;
  etcdserverpb::WatchResponse response;
  if (stream->Write(request)) {
    while (stream->Read(&response) && Take(response)) told = true;
  }
  context->TryCancel();
  (void)stream->Finish();
  return told && next_ != 0;
}

bool RangeFollower::Take(const etcdserverpb::WatchResponse& response) {
  if (response.canceled()) {
    if (response.compact_revision() != 0) next_ = 0;
    return false;
  }
  next_ = steps_.take(response);
  return next_ != 0;
}

}  // namespace latchkey::storage
