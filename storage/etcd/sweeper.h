// Reclaims records that nobody can see any more. Any server may do it.
#pragma once

#include <vector>

#include "base/clock.h"
#include "storage/etcd/background.h"
#include "storage/etcd/etcd_client.h"
#include "storage/etcd/key_layout.h"
#include "storage/etcd/turns.h"
#include "storage/record_store.h"

namespace latchkey::storage {

// Goes through the records that are not live, a page a turn, so that the servers together read each
// record once a round: slowly where there is nothing to reclaim, quickly where there is, and with a
// rest after a round. What it writes is conditional on the record being as it was judged.
class Sweeper {
 public:
  // All outlive it. `expire` may be empty: nothing is reclaimed.
  Sweeper(EtcdClient& client, const KeyLayout& layout, Clock& clock, RecordStore& store,
          Expire expire);

  void Start();

  // One look, as the thread takes now and then; how many records it reclaimed or made smaller.
  std::size_t Look();

 private:
  Duration Pause() const;
  std::optional<std::string> ReadPage(const std::string& after);
  std::size_t Reclaim();

  EtcdClient& client_;
  const KeyLayout& layout_;
  RecordStore& store_;
  const Expire expire_;
  Turns turns_;
  std::vector<Scanned> page_;
  // What the last page of this server had to be reclaimed.
  bool fruitful_ = false;
  Background background_;
};

}  // namespace latchkey::storage
