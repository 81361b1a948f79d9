// One call on its way through a partition.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/time.h"
#include "server/machine/record_machine.h"
#include "server/machine/refusal.h"
#include "server/partition/trace_context.h"
#include "storage/record_store.h"

namespace google::protobuf {
class Message;
}

namespace latchkey {

class LeaseListener;

// A request and where its response goes. Both outlive the call.
template <class Request, class Response>
struct Exchange {
  const Request* request = nullptr;
  Response* response = nullptr;
};

using AcquireLockExchange = Exchange<v1::AcquireLockRequest, v1::AcquireLockResponse>;
using RenewLeaseExchange = Exchange<v1::RenewLeaseRequest, v1::RenewLeaseResponse>;
using CheckResultExchange = Exchange<v1::CheckResultRequest, v1::CheckResultResponse>;
using RecordResultExchange = Exchange<v1::RecordResultRequest, v1::RecordResultResponse>;
using ReleaseExchange = Exchange<v1::ReleaseRequest, v1::ReleaseResponse>;
using GetRecordExchange = Exchange<v1::GetRecordRequest, v1::GetRecordResponse>;
using ResolveOutcomeExchange = Exchange<v1::ResolveOutcomeRequest, v1::ResolveOutcomeResponse>;
using ForceReleaseExchange = Exchange<v1::ForceReleaseRequest, v1::ForceReleaseResponse>;
using DeleteRecordExchange = Exchange<v1::DeleteRecordRequest, v1::DeleteRecordResponse>;

using Operation = std::variant<AcquireLockExchange, RenewLeaseExchange, CheckResultExchange,
                               RecordResultExchange, ReleaseExchange, GetRecordExchange,
                               ResolveOutcomeExchange, ForceReleaseExchange, DeleteRecordExchange>;

// Owned by whoever made it. A partition that was given a call keeps a pointer to it until it
// finishes it, exactly once, on its own thread, and never touches it after that.
class Call {
 public:
  Call(Operation what, std::string key, MonotonicTime arrived_at, std::size_t bytes)
      : operation(what), store_key(std::move(key)), arrived(arrived_at), request_bytes(bytes) {}
  virtual ~Call() = default;
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // Answers: the response is filled in, or the call is refused.
  virtual void Finish(std::optional<Refusal> refusal) = 0;

  // Answers with a response that many calls share, so that its size counts once while they queue to
  // be written. The implementation copies it when the call's turn has come.
  virtual void FinishShared(std::shared_ptr<const google::protobuf::Message> response) = 0;

  // Before a read of a result is decided, whose payload has so many bytes. False: there is no room
  // for it in replies yet, and the call will be submitted again when there is.
  virtual bool MakeRoom(std::size_t) { return true; }

  // Who hears of the loss of the lease that this call is granted or renews. Empty: nobody.
  virtual std::weak_ptr<LeaseListener> lease_listener() { return {}; }

  // The trace that the call is part of, for the log; may be slow. Not after Finish.
  virtual std::optional<TraceContext> trace() const { return std::nullopt; }

  // The caller is known to be gone: nothing may be granted to it any more (L9). Any thread.
  void SetGone() { gone_.store(true, std::memory_order_release); }
  bool gone() const { return gone_.load(std::memory_order_acquire); }

  const Operation operation;
  const std::string store_key;
  const MonotonicTime arrived;
  const std::size_t request_bytes;
  // No two calls of a process have the same.
  const std::uint64_t serial = NextSerial();

 private:
  static std::uint64_t NextSerial() {
    static std::atomic<std::uint64_t> last = 0;
    return ++last;
  }

  std::atomic<bool> gone_ = false;
};

// Ends the wait of a call whose caller is gone. May come after the call was finished and deleted,
// so it is compared, never followed; the serial tells it from a later call at the same address.
struct CancelWait {
  std::string store_key;
  const Call* call = nullptr;
  std::uint64_t serial = 0;
};

// A reply with a grant was not sent, and will not be: the grant is taken back, unless another reply
// with it was sent.
struct UnsentGrant {
  std::string store_key;
  std::uint64_t fencing_token = 0;
};

// The server is going down: ends all waits, and lets no new ones begin.
struct EndWaits {};

// Nothing is in doubt any more because of a restore: calls that waited for absent keys are granted.
struct ServeAbsentKeys {};

// Over a shared store: what is known of a key with waiters has changed, or may have. Looks whether
// one of them can be served.
struct LookAgain {
  std::string store_key;
};

// What a partition is given to do. What a shared store tells of live records comes to it, too.
using Work = std::variant<Call*, CancelWait, UnsentGrant, EndWaits, ServeAbsentKeys, LookAgain,
                          storage::LiveChanges>;

}  // namespace latchkey
