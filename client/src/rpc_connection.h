// The Connection to a real service: every call over a Transport, by the retry rule that fits it.
#pragma once

#include <memory>
#include <string>

#include "connection.h"
#include "farewell.h"
#include "transport.h"

namespace latchkey::inline client::internal {

// What the work under way needs. It holds copies of this and never the Connection, so that the last
// handle on that is always dropped by its user's thread.
struct Link {
  std::shared_ptr<Runtime> runtime;
  std::shared_ptr<Transport> transport;
  // Of one try.
  std::chrono::nanoseconds rpc_timeout;
  // Fresh, to be copied.
  Backoff backoff;
};

class RpcConnection final : public Connection {
 public:
  explicit RpcConnection(Link link);
  ~RpcConnection() override { RpcConnection::Close(); }

  void AcquireLock(AcquireCall call, Callback<AcquireReply> callback) override;
  void RenewLease(RenewCall call, Callback<Answer<Validity>> callback) override;
  void RecordResult(RecordCall call, Callback<Answer<StoredResult>> callback) override;
  void Release(ReleaseCall call, Callback<Answer<KeyStatus::State>> callback) override;
  void CheckResult(CheckCall call, Callback<Answer<KeyStatus>> callback) override;
  void IssueKey(IssueCall call, Callback<Answer<std::string>> callback) override;

  void WatchLease(std::uint64_t fencing_token, Callback<std::string> lost) override;
  void UnwatchLease(std::uint64_t fencing_token) override;

  const std::shared_ptr<Runtime>& runtime() const override { return link_.runtime; }
  void Close() override;

 private:
  class Watches;

  const Link link_;
  const std::shared_ptr<Watches> watches_;
  const std::shared_ptr<Farewell> farewell_ = std::make_shared<Farewell>();
};

}  // namespace latchkey::inline client::internal
