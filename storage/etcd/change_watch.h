// Tells how records in etcd change, whoever changes them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "storage/etcd/etcd_client.h"
#include "storage/etcd/key_layout.h"
#include "storage/etcd/range_follower.h"
#include "storage/etcd/record_txn.h"
#include "storage/record_store.h"

namespace latchkey::storage {

// Follows all that lies under the prefix, as a record moves between two ranges and what tokens are
// counted from is a key of its own. A position is made as a token is: of what they are counted from
// then, the revision, and the place among its events. So every server finds the same, and they go
// on above what they were when a snapshot of etcd is restored and tokens are raised, as they must
// be.
class EtcdChangeWatch final : public ChangeWatch {
 public:
  // `client` and `layout` outlive it.
  EtcdChangeWatch(EtcdClient& client, const KeyLayout& layout, std::uint64_t after,
                  std::function<void(RecordChanges)> hear);

 private:
  etcdserverpb::WatchCreateRequest Create() const;
  std::int64_t Begin();
  std::int64_t Take(const etcdserverpb::WatchResponse& response);
  void Gather(const etcdserverpb::Event& event);
  void GatherRecord(const etcdserverpb::Event& event, std::string store_key, bool live);
  // All of a revision is gathered.
  void Tell(RecordChanges& told);

  EtcdClient& client_;
  const KeyLayout& layout_;
  const std::string live_root_;
  const std::string done_root_;
  const std::function<void(RecordChanges)> hear_;
  // Where to begin; 0: with what is newest.
  std::uint64_t after_;

  TokenFloor floor_;
  // The first revision that has not been told.
  std::int64_t next_ = 0;
  // Up to here nothing is told (any more).
  std::uint64_t told_ = 0;
  // Of one revision: a record that moves is gone from one range and written to the other.
  struct Gathered {
    RecordChange change;
    bool reclaimed = false;
  };
  std::vector<Gathered> gathered_;
  std::int64_t gathered_revision_ = 0;
  std::uint64_t gathered_events_ = 0;

  // Uses all of the above.
  RangeFollower follower_;
};

}  // namespace latchkey::storage
