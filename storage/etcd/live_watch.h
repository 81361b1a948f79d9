// Tells what is live in etcd and how it changes.
#pragma once

#include <functional>

#include "storage/etcd/etcd_client.h"
#include "storage/etcd/key_layout.h"
#include "storage/etcd/range_follower.h"
#include "storage/record_store.h"

namespace latchkey::storage {

// Reads everything live as of one revision, and then follows etcd's watch from there.
class EtcdLiveWatch final : public LiveWatch {
 public:
  // `client` and `layout` outlive it.
  EtcdLiveWatch(EtcdClient& client, const KeyLayout& layout, std::function<void(LiveChanges)> hear);

 private:
  etcdserverpb::WatchCreateRequest Create() const;
  std::int64_t TellAll();
  std::int64_t Take(const etcdserverpb::WatchResponse& response);

  EtcdClient& client_;
  const std::string first_;
  const std::string end_;
  const std::function<void(LiveChanges)> hear_;
  // The first revision that has not been told.
  std::int64_t next_ = 0;
  // Uses all of the above.
  RangeFollower follower_;
};

}  // namespace latchkey::storage
