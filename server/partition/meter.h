// What is measured of partitions and calls: the seam between the places where things happen and
// whoever counts them. See server/metrics for that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/time.h"
#include "server/machine/refusal.h"
#include "server/partition/call.h"

namespace latchkey {

// What a caller may ask for. The first are in the order of Operation.
enum class Rpc {
  kAcquireLock,
  kRenewLease,
  kCheckResult,
  kRecordResult,
  kRelease,
  kGetRecord,
  kResolveOutcome,
  kForceRelease,
  kDeleteRecord,
  kListRecords,
  kIssueKey,
  kGetServerStatus,
  kHeartbeat,  // of a session; all of its leases together
  kSession,    // the stream itself, and entries of its frames that ask for nothing known
  kClearRestoreDoubt,
  kCreateBackup,
  kWatchRecords,
};
inline constexpr std::size_t kRpcs = static_cast<std::size_t>(Rpc::kWatchRecords) + 1;

inline Rpc RpcOf(const Operation& operation) { return static_cast<Rpc>(operation.index()); }
static_assert(std::variant_size_v<Operation> == static_cast<std::size_t>(Rpc::kListRecords));

// What an AcquireLock was answered with.
enum class AcquireOutcome { kExecute, kRecover, kReplayed, kCompleted, kContention, kRefused };
inline constexpr std::size_t kAcquireOutcomes =
    static_cast<std::size_t>(AcquireOutcome::kRefused) + 1;

// Every method may be called from any thread, and must be quick: it is on everybody's way. What a
// partition says may be said before it is durable. By default nothing is measured.
class Meter {
 public:
  virtual ~Meter() = default;

  // Every call ends in one of these. A reason that is unspecified: its caller was gone.
  virtual void OnAnswered(Rpc, Duration /*took*/, const std::optional<Refusal>&) {}
  // Besides, for every AcquireLock. The namespace is as the caller wrote it.
  virtual void OnAcquireAnswered(std::string_view /*name_space*/, AcquireOutcome) {}
  // A lease of a heartbeat was not renewed, or a stream was refused.
  virtual void OnRefused(Rpc, Reason) {}

  // A holder fell silent; the lease was ended so long after it had run out.
  virtual void OnLapse(std::string_view /*name_space*/, bool /*started*/, Duration /*lag*/) {}
  // A hold has ended, in whatever way.
  virtual void OnHoldEnded(Duration /*held*/) {}
  // A renewal came when so much of the lease was left.
  virtual void OnRenewed(Duration /*left*/) {}
  // A call that waited has left the queue.
  virtual void OnWaitEnded(Duration /*waited*/) {}
  // A key came into doubt at this time of the retention clock, or one that did so is not any more.
  virtual void OnDoubt(std::string_view /*name_space*/, std::int64_t /*since_nanos*/,
                       bool /*in_doubt*/) {}
  // So many leases were extended, because nobody could renew them for a while.
  virtual void OnStallExtensions(std::size_t /*leases*/) {}
  // A result was recorded; `late`: after its lease had ended.
  virtual void OnResult(std::size_t /*payload_bytes*/, bool /*late*/) {}
  virtual void OnLateOutcomeKept() {}
  virtual void OnDuplicateSuspected() {}
  // A completed record that is past its retention gave way to a new run.
  virtual void OnExpiredReplaced() {}
  virtual void OnCommit(Duration /*took*/, std::size_t /*records*/) {}

  // Measures nothing.
  static Meter& None() {
    static Meter none;
    return none;
  }
};

}  // namespace latchkey
