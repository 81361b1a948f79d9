// The rules of Latchkey, all of them and nothing else: what a command does to one record, and what
// is answered. Pure: no clock, thread, I/O or randomness; the same arguments give the same answer
// (S1).
//
// The caller owns a KeyState, hands it in together with a command that has passed request_checks.h,
// and gets it back changed. It must make a durable change durable before it lets anybody see the
// answer.
#pragma once

#include <optional>
#include <string>

#include "base/time.h"
#include "latchkey/storage/v1/record.pb.h"
#include "server/machine/limits.h"
#include "server/machine/refusal.h"

namespace latchkey::v1 {
class AcquireLockRequest;
class AcquireLockResponse;
class CheckResultRequest;
class CheckResultResponse;
class DeleteRecordRequest;
class DeleteRecordResponse;
class ForceReleaseRequest;
class ForceReleaseResponse;
class GetRecordRequest;
class GetRecordResponse;
class RecordResultRequest;
class RecordResultResponse;
class ReleaseRequest;
class ReleaseResponse;
class RenewLeaseRequest;
class RenewLeaseResponse;
class ResolveOutcomeRequest;
class ResolveOutcomeResponse;
class Record;
}  // namespace latchkey::v1

namespace latchkey {

// What the time is, for one command.
struct Now {
  // Ends leases. Read once for a batch.
  MonotonicTime monotonic;
  // The retention clock: never ahead of what is sure, so that nothing is forgotten early.
  WallTime retention;
  // The latest the time can be, at or after `retention`: decides whether a provider still
  // deduplicates.
  WallTime latest;
  // Since then `retention` has run with the monotonic clock, so what it says of the time that has
  // passed is no more than has passed. What came before counts for nothing.
  WallTime steady_since = {};
};

// What a restore from a backup left unknown: everything that happened between the backup and it.
struct Restore {
  // Tokens up to this one were given before it; 0: the store was never restored.
  std::uint64_t fencing_token = 0;
  // Nobody has ended the doubt yet: an absent key may have been worked on (rule 17).
  bool in_doubt = false;
  // With that: when it was, and since when, at the earliest, nothing is known.
  WallTime at;
  WallTime unknown_since;
};

// One key, as it is when a command is decided.
struct KeyState {
  // Nothing, or what is stored. A record in state ABSENT only keeps audit entries.
  std::optional<storage::v1::Record> record;
  // While HELD: when the lease runs out. In memory only.
  MonotonicTime lease_deadline;
  // By how much stalls have extended the lease since its last renewal. In memory only.
  Duration stall_extension = Duration::zero();
  // While HELD: another process granted or last renewed the lease, so what is left of it is known
  // there; here the longest it can be is. In memory only.
  bool lease_elsewhere = false;
  // The newest grant has not been committed: its token is not known yet (record->fencing_token() is
  // 0). Until it is, only AcquireLock and CheckResult may be decided on this key.
  bool token_pending = false;
};

// A quota of the namespace that is used up.
struct QuotaReached {
  // Of the setting, and its value.
  std::string_view name;
  std::uint64_t most = 0;
  // It is used by checkpoints, too, so those that grow are refused.
  bool of_bytes = false;
  std::optional<Duration> retry_after = {};
};

// What else a decision depends on. The pointers outlive the call.
struct Context {
  Now now;
  const Limits* limits = nullptr;
  const NamespaceSettings* settings = nullptr;
  // first_sent_at up to here is refused on an absent key.
  WallTime horizon;
  // Several processes write to the store, so that each renewal is written for the others to see.
  bool shared_store = false;
  // The highest token ever issued by the store, and so at least that of the key's record.
  std::uint64_t highest_token = 0;
  Restore restore;
  // Calls that wait for this key now.
  std::uint32_t waiters = 0;
  // This AcquireLock's attempt ended a moment ago.
  bool attempt_ended = false;
  // Why a new record would be refused (QUOTA_EXCEEDED, STORAGE_FULL); UNSPECIFIED: it would not.
  Reason creation_refusal = v1::Refusal::REASON_UNSPECIFIED;
  // With QUOTA_EXCEEDED: which. Unset: that of live records.
  std::optional<QuotaReached> quota = {};
  std::string_view name_space;
  std::string_view key;
};

// What a decision did.
struct Step {
  // The answer is this refusal; otherwise it is the response.
  std::optional<Refusal> refusal;
  // The record changed and must be durable before the answer leaves. A refusal may change it too.
  bool durable = false;
  // Nothing to answer yet: the call may wait. The response holds what to answer if it may not, or
  // when its time is up.
  bool wait = false;
  // The response has a new grant, whose token the commit gives.
  bool granted = false;
  // The response speaks of this lease: `lease_remaining` is filled in when it is written.
  std::optional<MonotonicTime> lease_deadline;
  // This attempt is over; a late duplicate of it must be refused for a while. Empty: none.
  std::string ended_attempt;
  // This attempt had the key, which was freed without its word. It is over as soon as another is
  // granted the key; until then a retry of it is as any other call. Empty: none.
  std::string former_attempt;
  // A lease ended without the holder's word; `lapsed_started`: it was marked.
  bool lapsed = false;
  std::uint64_t lapsed_token = 0;
  bool lapsed_started = false;
  // A report was kept that could not be recorded.
  bool late_outcome_kept = false;
  // What an operator did by this step, as the record keeps it.
  std::optional<v1::AuditEntry> audited;
  // This step is the one that set duplicate_effect_suspected.
  bool duplicate_suspected = false;
};

// One overload for each command. `response` is empty on entry; with a refusal it is to be ignored.
[[nodiscard]] Step Decide(KeyState& key, const v1::AcquireLockRequest& request,
                          const Context& context, v1::AcquireLockResponse* response);
[[nodiscard]] Step Decide(KeyState& key, const v1::RenewLeaseRequest& request,
                          const Context& context, v1::RenewLeaseResponse* response);
[[nodiscard]] Step Decide(KeyState& key, const v1::CheckResultRequest& request,
                          const Context& context, v1::CheckResultResponse* response);
[[nodiscard]] Step Decide(KeyState& key, const v1::RecordResultRequest& request,
                          const Context& context, v1::RecordResultResponse* response);
// By attempt_id: ends an unused grant of that attempt; its wait is the partition's to end.
[[nodiscard]] Step Decide(KeyState& key, const v1::ReleaseRequest& request, const Context& context,
                          v1::ReleaseResponse* response);
[[nodiscard]] Step Decide(KeyState& key, const v1::GetRecordRequest& request,
                          const Context& context, v1::GetRecordResponse* response);
[[nodiscard]] Step Decide(KeyState& key, const v1::ResolveOutcomeRequest& request,
                          const Context& context, v1::ResolveOutcomeResponse* response);
[[nodiscard]] Step Decide(KeyState& key, const v1::ForceReleaseRequest& request,
                          const Context& context, v1::ForceReleaseResponse* response);
[[nodiscard]] Step Decide(KeyState& key, const v1::DeleteRecordRequest& request,
                          const Context& context, v1::DeleteRecordResponse* response);

// The lease of a HELD key has run out.
[[nodiscard]] Step Lapse(KeyState& key, const Context& context);

// The grant with this token was decided, but its reply never left: takes it back, unless its holder
// has been heard of since. The attempt is not ended; its retry may be granted again.
[[nodiscard]] Step UndoGrant(KeyState& key, std::uint64_t fencing_token, const Context& context);

// Whether the next waiter may be given the key: it is absent, or in doubt.
[[nodiscard]] bool IsFree(const KeyState& key);

// Whether the record answers no more: its key retention and a day are over. It is taken for absent.
[[nodiscard]] bool IsForgotten(const storage::v1::Record& record, const Limits& limits,
                               const NamespaceSettings& settings, WallTime retention_now);

// Whether a store may reclaim the record: it is forgotten and its audit entries are, too.
[[nodiscard]] bool IsReclaimable(const storage::v1::Record& record, const Limits& limits,
                                 const NamespaceSettings& settings, WallTime retention_now);

// Shows a record to an operator; `lease_remaining` and `waiters` are filled in by the partition.
void DescribeRecord(const storage::v1::Record& record, const Context& context, v1::Record* out);

}  // namespace latchkey
