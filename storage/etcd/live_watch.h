// Tells what is live in etcd and how it changes, over whatever member answers.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "base/mutex.h"
#include "storage/etcd/etcd_client.h"
#include "storage/etcd/key_layout.h"
#include "storage/record_store.h"

namespace latchkey::storage {

// A thread that reads everything live as of one revision, and then follows etcd's watch from there.
// A stream that breaks is resumed where it was; where etcd has given up what came since, everything
// is read anew.
class EtcdLiveWatch final : public LiveWatch {
 public:
  // `client` and `layout` outlive it.
  EtcdLiveWatch(EtcdClient& client, const KeyLayout& layout, std::function<void(LiveChanges)> hear);
  ~EtcdLiveWatch() override;

 private:
  void Run();
  // False: try again.
  bool TellAll();
  // Until the stream ends. False: it told nothing.
  bool Follow();
  bool Take(const etcdserverpb::WatchResponse& response);
  // A stream that can be cancelled; null when it is time to end.
  std::shared_ptr<grpc::ClientContext> NewContext();
  bool stopping();
  void Pause();

  EtcdClient& client_;
  const std::string first_;
  const std::string end_;
  const std::function<void(LiveChanges)> hear_;
  // The first revision that has not been told; 0: all is to be told anew.
  std::int64_t next_ = 0;

  Mutex mutex_;
  Condition changed_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::shared_ptr<grpc::ClientContext> context_ GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace latchkey::storage
