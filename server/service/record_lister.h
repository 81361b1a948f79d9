// ListRecords: scans the store on a thread of its own, so that neither gRPC nor a partition waits
// for it, and asks the partitions how the live records of the page stand. A page ends where it has
// as many records as were asked for, or as many bytes as a client may be expected to take.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "server/calls/call_environment.h"
#include "server/machine/refusal.h"

namespace latchkey::storage {
class RecordStore;
struct Scanned;
}  // namespace latchkey::storage

namespace latchkey::v1 {
class ListRecordsRequest;
class ListRecordsResponse;
}  // namespace latchkey::v1

namespace latchkey {

// Thread-safe.
class RecordLister {
 public:
  using Done = std::function<void(const std::optional<Refusal>& refusal)>;

  RecordLister(const CallEnvironment& environment, storage::RecordStore& store);
  // Stops, if that was not done before.
  ~RecordLister();

  // Calls `done` exactly once, from another thread or at once. The messages outlive that call.
  void List(const v1::ListRecordsRequest& request, v1::ListRecordsResponse* response, Done done);

  // Refuses what is queued and ends the thread.
  void Stop();

 private:
  struct Job {
    const v1::ListRecordsRequest* request;
    v1::ListRecordsResponse* response;
    Done done;
  };
  class Page;
  void Run();
  bool stopping();
  std::optional<Refusal> Fill(const v1::ListRecordsRequest& request,
                              v1::ListRecordsResponse* response);
  // `consumed`: how many of `scanned` are dealt with; the rest belongs onto the next page.
  std::optional<Refusal> AddMatching(const std::vector<storage::Scanned>& scanned, Page& page,
                                     std::size_t* consumed);

  const CallEnvironment& environment_;
  storage::RecordStore& store_;

  Mutex mutex_;
  Condition changed_;
  std::deque<Job> jobs_ GUARDED_BY(mutex_);
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace latchkey
