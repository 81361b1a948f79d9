// Follows how a range of etcd's keys changes, over whatever member answers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>

#include "base/mutex.h"
#include "storage/etcd/etcd_client.h"

namespace latchkey::storage {

// A thread that follows etcd's watch of one range. A stream that breaks is resumed where it was;
// where etcd has given up what came since, it is begun anew.
class RangeFollower {
 public:
  // Called on the thread. The first revision that is to be told of next; 0: begin anew.
  struct Steps {
    // Begins; 0: it has failed, and is tried again.
    std::function<std::int64_t()> begin;
    // Takes what a stream has brought. The first of each stream says only that it was made.
    std::function<std::int64_t(const etcdserverpb::WatchResponse&)> take;
  };

  // `client` outlives it. `create` says what is followed, but not from where.
  RangeFollower(EtcdClient& client, etcdserverpb::WatchCreateRequest create, Steps steps);
  ~RangeFollower();

  // It is time to end: whoever reads much gives up.
  bool stopping();

 private:
  void Run();
  // Until the stream ends. False: it told nothing.
  bool Follow();
  bool Take(const etcdserverpb::WatchResponse& response);
  // A stream that can be cancelled; null when it is time to end.
  std::shared_ptr<grpc::ClientContext> NewContext();
  void Pause();

  EtcdClient& client_;
  const etcdserverpb::WatchCreateRequest create_;
  const Steps steps_;
  // The first revision that has not been told; 0: it is to be begun anew.
  std::int64_t next_ = 0;

  Mutex mutex_;
  Condition changed_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::shared_ptr<grpc::ClientContext> context_ GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace latchkey::storage
