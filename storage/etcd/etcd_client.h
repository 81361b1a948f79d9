// Requests to an etcd cluster: which member to ask, for how long, and as whom. The only place that
// knows gRPC channels.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "etcd/kv.grpc.pb.h"
#include "etcd/server.grpc.pb.h"
#include "etcd/watch.grpc.pb.h"
#include "storage/etcd/etcd_options.h"
#include <grpcpp/grpcpp.h>

namespace latchkey::storage {

// Thread-safe; calls block, each with a bound. A member that does not answer, or that has no
// leader, is left for the next one.
//
// Errors of a request: UNAVAILABLE or DEADLINE_EXCEEDED if it may or may not have been done; any
// other code if etcd refused it, and nothing was done.
class EtcdClient {
 public:
  EtcdClient(EtcdOptions options, Clock& clock);
  ~EtcdClient();

  // Sends all of them at once, each once, and waits for all answers, in their order.
  std::vector<absl::StatusOr<etcdserverpb::TxnResponse>> Txn(
      std::span<const etcdserverpb::TxnRequest> requests);
  absl::StatusOr<etcdserverpb::TxnResponse> Txn(const etcdserverpb::TxnRequest& request);

  // These change nothing, so they are repeated at other members while there is time.
  absl::StatusOr<etcdserverpb::TxnResponse> Read(const etcdserverpb::TxnRequest& request);
  absl::StatusOr<etcdserverpb::RangeResponse> Range(const etcdserverpb::RangeRequest& request);
  absl::StatusOr<etcdserverpb::StatusResponse> MemberStatus();
  // Repeatable, too: what is compacted stays compacted.
  absl::Status Compact(std::int64_t revision);

  // A stream of changes. Null if no member is connected within the time of a request.
  using WatchStream =
      grpc::ClientReaderWriter<etcdserverpb::WatchRequest, etcdserverpb::WatchResponse>;
  std::unique_ptr<WatchStream> Watch(grpc::ClientContext& context);

  // The newest revision that any answer has told. Answers that were asked for later are not older.
  std::int64_t revision() const { return revision_.load(); }
  const EtcdOptions& options() const { return options_; }

 private:
  struct Member;
  struct Exchange;

  // A member that is connected, at best the one that answered last; null if none is within the time
  // of a request.
  Member* Pick();
  void Leave(const Member& member);
  void Prepare(grpc::ClientContext& context) const;
  absl::Status Judge(const Member& member, const grpc::Status& status);
  // Gets a new token if that is what the refusal asks for. True: it did, and the request is worth
  // repeating.
  bool Authenticated(Member& member, const grpc::Status& refusal);
  absl::Status Note(const etcdserverpb::ResponseHeader& header, std::int64_t asked_at);

  // Runs `call` of a member until it succeeds or the time is up.
  template <typename Response, typename Call>
  absl::StatusOr<Response> Repeat(Call call);
  void RunOnce(std::vector<Exchange>& exchanges, Member& member);

  const EtcdOptions options_;
  Clock& clock_;
  std::vector<std::unique_ptr<Member>> members_;
  std::atomic<std::size_t> preferred_ = 0;
  std::atomic<std::int64_t> revision_ = 0;

  mutable Mutex mutex_;
  Condition changed_;
  std::string token_ GUARDED_BY(mutex_);
};

// The time for a request that may take so long from now.
gpr_timespec DeadlineIn(Duration time);

}  // namespace latchkey::storage
