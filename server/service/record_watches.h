// WatchRecords: streams what is committed, from a place in the feed, to those who watch. One thread
// serves all of them and writes one message at a time to each, so nothing is buffered for a watcher
// that does not read: it falls behind, and is told so.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "latchkey/v1/admin.pb.h"
#include "server/access/caller.h"
#include "server/calls/call_environment.h"
#include "server/partition/change_feed.h"
#include "server/partition/store_changes.h"
#include "server/service/record_lister.h"
#include <grpcpp/support/server_callback.h>

namespace latchkey {

// Thread-safe.
class RecordWatches {
 public:
  // `store_changes`: what fills the feed over a shared store, from now on called by this only; null
  // over an exclusive one.
  RecordWatches(const CallEnvironment& environment, ChangeFeed& feed, RecordLister& lister,
                StoreChanges* store_changes);
  // Stops, if that was not done before.
  ~RecordWatches();

  // Takes a stream for a request that has been checked, also against what `caller` may do. That is
  // looked at again before everything that is sent.
  grpc::ServerWriteReactor<v1::WatchRecordsResponse>* Open(grpc::CallbackServerContext& context,
                                                           const v1::WatchRecordsRequest& request,
                                                           Caller caller);

  // A stream that ends with this refusal.
  grpc::ServerWriteReactor<v1::WatchRecordsResponse>* Refuse(const Refusal& refusal);

  // To be called about once a second: tells watchers that have not heard anything for that long how
  // far they have come, and lets go of the feed when nobody has watched for a while.
  void Tick();

  // Ends the streams of those whom the rules of access do not allow to watch any more.
  void CheckCallers() { Wake(); }

  // Ends all streams with SHUTTING_DOWN and lets no new ones begin. After the lister's Stop.
  void Stop();

 private:
  class Stream;

  void Run();
  // Waits for something to do; what may be written to goes into `idle`. False: it is time to end.
  bool Await(std::vector<Stream*>& idle, bool* tick);
  bool AnyIdle() const REQUIRES(mutex_);
  void Wake();
  void Remove(Stream* stream);
  // The status to end a stream with that is refused, which is counted.
  grpc::Status StatusFor(const Refusal& refusal) const;

  const CallEnvironment& environment_;
  ChangeFeed& feed_;
  RecordLister& lister_;
  StoreChanges* const store_changes_;

  mutable Mutex mutex_;
  Condition changed_;
  // Those that are not finished yet. Only the thread takes one out, and then finishes it.
  std::set<Stream*> streams_ GUARDED_BY(mutex_);
  MonotonicTime last_watched_ GUARDED_BY(mutex_);
  bool awake_ GUARDED_BY(mutex_) = false;
  bool tick_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace latchkey
