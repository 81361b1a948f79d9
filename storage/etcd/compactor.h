// Gives up etcd's old revisions, so that its database does not grow with every renewal. Any server
// may do it.
#pragma once

#include "base/clock.h"
#include "storage/etcd/background.h"
#include "storage/etcd/etcd_client.h"
#include "storage/etcd/key_layout.h"
#include "storage/etcd/turns.h"

namespace latchkey::storage {

// A turn says at which revision it was; the one after it gives up what is older. So revisions are
// kept for at least as long as is between two turns.
class Compactor {
 public:
  // All outlive it.
  Compactor(EtcdClient& client, const KeyLayout& layout, Clock& clock);

  // Starts a thread, if anything is to be compacted at all.
  void Start();

  // One look, as the thread takes now and then; true if it gave up revisions.
  bool Look();

 private:
  EtcdClient& client_;
  const Duration after_;
  Turns turns_;
  Background background_;
};

}  // namespace latchkey::storage
