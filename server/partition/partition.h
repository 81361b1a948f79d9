// The only place where things happen: decides commands in batches, commits what changed in one
// synced step, and only then answers. Everything about a key happens in the one partition that it
// hashes to.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/clock.h"
#include "server/machine/record_machine.h"
#include "server/partition/call.h"
#include "server/partition/ended_attempts.h"
#include "server/partition/lease_listener.h"
#include "server/partition/meter.h"
#include "server/partition/timer_queue.h"
#include "server/partition/wait_queue.h"
#include "storage/record_store.h"

namespace latchkey {

class ChangeFeed;
class FailStop;
class LiveCounts;
class Namespaces;
class ReplyGathering;
class Quotas;
class Retention;

// Whether the store has room: plenty; less than twice the reserve; less than the reserve, so that
// new records are refused.
enum class Room { kPlenty, kLittle, kNone };

// Hears what the partitions decide, for logs and metrics. Called on partition threads, before the
// step is durable; must be quick.
class PartitionObserver {
 public:
  virtual ~PartitionObserver() = default;
  virtual void OnStep(const std::string& store_key, const Step& step) = 0;
  // In place of OnStep, where it is this call's doing. The call is not answered yet.
  virtual void OnStepOf(const Call& call, const Step& step) { OnStep(call.store_key, step); }
  // Live leases were extended, because nobody could renew them for so long.
  virtual void OnStall(Duration gap) = 0;
  // An operator did something to the store as a whole, durably. Called on another thread.
  virtual void OnStoreAction(const v1::AuditEntry& /*done*/) {}
  // It is another than before, or than kPlenty at the start. Called on another thread.
  virtual void OnRoom(Room /*room*/, std::uint64_t /*free_bytes*/,
                      std::uint64_t /*reserve_bytes*/) {}
};

// What all partitions of a server share. Everything here is thread-safe and outlives them.
struct PartitionEnvironment {
  const Limits* limits = nullptr;
  const Namespaces* namespaces = nullptr;
  Clock* clock = nullptr;
  storage::RecordStore* store = nullptr;
  Retention* retention = nullptr;
  LiveCounts* live_counts = nullptr;
  FailStop* fail_stop = nullptr;
  PartitionObserver* observer = nullptr;
  Meter* meter = &Meter::None();
  // Calls that wait, in all partitions.
  std::atomic<std::size_t>* waiters = nullptr;
  // New records are refused.
  std::atomic<bool>* storage_full = nullptr;
  // Unset: nobody counts, and only live records have a quota.
  Quotas* quotas = nullptr;
  // Hears what is committed to an exclusive store, see StoreChanges for a shared one; null: nobody
  // watches.
  ChangeFeed* changes = nullptr;
};

// A gap longer than this between two batches means that nobody could renew meanwhile.
inline constexpr Duration kStallMin = std::chrono::milliseconds(500);

// Not thread-safe: one thread makes all calls, or a simulator does.
class Partition {
 public:
  explicit Partition(const PartitionEnvironment& environment);
  ~Partition();

  // Before the first Process: takes charge of a record that was HELD when the store was opened.
  void Adopt(const std::string& store_key, storage::Loaded loaded);
  // Now serving: every adopted lease gets the longest duration promised for it, from this moment
  // (rule 11). One from before a restore from a backup is over: its holder may have ended it since.
  void BeginServing();

  // Decides all of `work` and whatever has fallen due, commits, answers. May be called with no
  // work. To be called at least every 100 ms: a longer gap counts as a stall. `more_queued`: more
  // work had come before this was begun, and the next batch brings it. Leases that nobody asks
  // about run out only after that: a renewal may be among it (rule 11). `taken_at`: all that had
  // come by then is in `work` or was decided; such leases run out up to then and no later.
  void Process(std::span<Work> work, bool more_queued = false,
               MonotonicTime taken_at = MonotonicTime::max());

  // Whether Process has something to do at once, although no new work has come.
  bool HasBacklog() const { return !backlog_.empty(); }
  // When the next lease or wait falls due.
  std::optional<MonotonicTime> NextTimer() const;

 private:
  struct Entry;
  // What to tell a call: once the batch is durable, if that changed what it speaks of.
  struct Answer {
    Call* call = nullptr;
    std::optional<Refusal> refusal;
    std::optional<MonotonicTime> lease_deadline;
    // The response is a grant of this key's newest token, which the commit gives.
    Entry* granted = nullptr;
    std::shared_ptr<const google::protobuf::Message> shared;
  };

  // The steps of a batch, in this order.
  void FollowSettings();
  void ExtendLeasesAfterStall();
  // Adds the entries that the work is for, as far as it is for one, in its order.
  bool Load(std::span<const Work> work, std::vector<Entry*>& entries);
  void FireWaitTimers();
  void Run(Work& work, Entry* entry);
  void FireLeaseTimers(MonotonicTime until);
  bool Commit();
  void PublishChanges();
  void SendAnswers();
  void DropIdleEntries();
  void FailEverything();

  void Run(Call& call, Entry& entry);
  void Run(const CancelWait& cancel);
  void Run(const UnsentGrant& unsent, Entry& entry);
  void Run(const EndWaits& end);
  void Run(const ServeAbsentKeys& serve);
  void Run(const LookAgain&) {}  // exclusive stores have no use for these
  void Run(const storage::LiveChanges&) {}

  // Over a shared store: a round decides at most one change of each key on what was last heard of
  // it, asks the store whether that is still so, and then lets happen what was decided.
  struct Decision {
    Entry* entry = nullptr;
    Call* call = nullptr;  // null: a lapse, a grant taken back, or only a look
    bool waiting = false;  // the call is in the queue
    bool look = false;     // whether those who wait can be served
    std::uint64_t unsent_token = 0;
    v1::CheckResultResponse::State before{};
    Step step = {};
  };
  void ProcessShared(std::span<Work> backlog, std::span<Work> work, bool lapses,
                     MonotonicTime until, ReplyGathering& replies);
  void Hear(storage::LiveChanges& told);
  void HearAll();
  void Accept(Entry& entry, storage::Loaded loaded, MonotonicTime heard);
  void AcceptLease(Entry& entry, const KeyState& before, MonotonicTime heard);
  void ServeAfterNews(Entry& entry);
  void DecideShared(Work& work);
  void DecideShared(Call& call, Entry& entry);
  void DecideShared(const UnsentGrant& unsent, Entry& entry);
  void DecideLapse(Entry& entry);
  // `saved`: what the key was before; `last`: nothing more is decided on it in this round.
  void Decide(Decision decision, std::unique_ptr<KeyState> saved, bool last);
  bool DecideWaiters(Entry& entry);
  void DecideTimedOut(Entry& entry, Call& call);
  bool KnowsToken(const Call& call, Entry& entry);
  void LookLater(Entry& entry);
  void LookNow(Entry& entry);
  void Defer(Entry& entry, Work work);
  // Whether what is known of the key is at least as new as the call.
  bool Confirmed(const Entry& entry, const Call& call) const;
  void CommitShared();
  void Settle(Entry& entry, storage::WriteResult result, MonotonicTime asked, MonotonicTime heard);
  void Conclude(Decision& decision);
  void ConcludeWell(Decision& decision);
  void Retry(Decision& decision);
  void RefuseDecided(Decision& decision, Refusal refusal);

  Context ContextFor(const Entry& entry) const;
  Context ContextFor(const Entry& entry, const Call& call) const;
  Step DecideCall(Entry& entry, Call& call);
  // The quota that keeps a new record, or a checkpoint that grows, from being taken.
  std::optional<QuotaReached> QuotaFor(const Entry& entry, const Call& call) const;
  // A run has begun.
  void CountKey(const Entry& entry);
  bool MustWaitForToken(const Entry& entry, const Call& call) const;
  void LapseIfDue(Entry& entry, MonotonicTime arrived);
  // Follows up a step: what it changed is staged, counted and timed, and whom it frees is served.
  // `call`: whose doing it is; null: nobody's.
  void Apply(Entry& entry, const Step& step, v1::CheckResultResponse::State before,
             const Call* call = nullptr);
  void ApplyToCall(Entry& entry, Call& call, Step step, v1::CheckResultResponse::State before);
  void SetLeaseTimer(Entry& entry);
  // The batch touches the entry: DropIdleEntries looks at it.
  void Visit(Entry& entry);
  void Stage(Entry& entry);

  // Measuring.
  void Measure(Entry& entry, const Step& step, v1::CheckResultResponse::State before,
               const Call* call);
  void NoteDoubt(Entry& entry);
  void MeasureRenewal(const Call& call, MonotonicTime deadline);

  // Waiting.
  void Enqueue(Entry& entry, Call& call);
  void EndWait(Entry& entry, const Call* call, std::optional<Refusal> refusal);
  void AnswerTimedOut(Entry& entry, Call& call);
  void EndWaitOfAttempt(Entry& entry, const std::string& attempt_id);
  void EndRepeatedWait(Entry& entry, const v1::AcquireLockRequest& granted);
  void ServeQueue(Entry& entry);
  void GrantToFirstWaiter(Entry& entry);
  void AnswerCompletedToAll(Entry& entry);
  void RefuseOtherFingerprints(Entry& entry);
  void RemoveWaiter(Entry& entry, const Waiter& waiter);

  // To be sent once the batch is durable.
  Answer& AnswerLater(Call& call, std::optional<Refusal> refusal = std::nullopt);
  void Send(Answer& answer, MonotonicTime now);
  // Completes the grant; false if the caller is gone, so that the call must not hear of it.
  bool NoteGrant(Entry& entry, Call& call);
  void NoteLoss(Entry& entry, std::uint64_t fencing_token);
  Entry* Find(const std::string& store_key) const;
  // In order of their keys, so that the same commands always end the same way (S1).
  std::vector<Entry*> EntriesWithWaiters() const;
  // And whether it was added.
  std::pair<Entry&, bool> FindOrAdd(const std::string& store_key);

  const PartitionEnvironment environment_;
  const bool exclusive_;
  EndedAttempts ended_attempts_;
  // Held keys, keys with waiters, and the keys of the batch at hand.
  absl::flat_hash_map<std::string, std::unique_ptr<Entry>> entries_;
  std::uint64_t entries_made_ = 0;
  // Of the settings that the entries have.
  const void* settings_version_ = nullptr;
  // What falls due at one moment does so in the order in which the keys, or the calls, came.
  TimerQueue<std::pair<std::uint64_t, Entry*>> lease_timers_;
  struct WaitTimer {
    std::uint64_t serial;
    Entry* entry;
    Call* call;
    bool operator<(const WaitTimer& other) const { return serial < other.serial; }
  };
  static WaitTimer TimerOf(Entry& entry, Call& call) { return {call.serial, &entry, &call}; }
  TimerQueue<WaitTimer> wait_timers_;
  MonotonicTime last_process_;
#ifdef LATCHKEY_MUTANTS
  Duration WallLead() const {
    return environment_.clock->Wall().time_since_epoch() -
           environment_.clock->Monotonic().time_since_epoch();
  }
  const Duration wall_lead_at_start_ = WallLead();
#endif
  bool ending_ = false;

  // The batch at hand.
  Now now_{};
  Restore restore_;
  std::uint64_t highest_token_ = 0;
  std::vector<Entry*> visited_;
  std::vector<Entry*> staged_;
  std::vector<Answer> answers_;
  std::vector<std::pair<std::shared_ptr<LeaseListener>, LostLease>> losses_;
  // For the next batch: calls that need a token that this one's commit gives, and grants to take
  // back.
  std::vector<Work> backlog_;

  // Over a shared store.
  std::vector<Decision> decisions_;
  // For the next batch, before all else: keys to look at, and what was decided on old news.
  std::vector<Work> looks_;
  std::vector<Work> retries_;
  // Since the batch began the highest token has been asked for.
  bool token_asked_ = false;
  // All that is live is being told.
  bool listing_ = false;
};

}  // namespace latchkey
