#include "server/partition/partition.h"

#include <algorithm>

#include "base/failpoint.h"
#include "base/mutant.h"
#include "latchkey/v1/admin.pb.h"
#include "latchkey/v1/coordination.pb.h"
#include "server/machine/namespaces.h"
#include "server/partition/change_feed.h"
#include "server/partition/checked_decide.h"
#include "server/partition/entry.h"
#include "server/partition/fail_stop.h"
#include "server/partition/live_counts.h"
#include "server/partition/refusals.h"
#include "server/partition/reply_gathering.h"
#include "server/retention/retention.h"

namespace latchkey {
namespace {

using State = v1::CheckResultResponse;

// A batch lets so many leases run out that nobody asks about: some 20 ms of work.
constexpr int kLapsesAtOnce = 1'000;

const std::string& StoreKeyOf(const Work& work) {
  static const std::string none;
  if (auto* call = std::get_if<Call*>(&work)) return (*call)->store_key;
  if (auto* unsent = std::get_if<UnsentGrant>(&work)) return unsent->store_key;
  return none;  // the other kinds concern only keys that are in memory
}

}  // namespace

Partition::Partition(const PartitionEnvironment& environment)
    : environment_(environment),
      exclusive_(environment.store->exclusive()),
      ended_attempts_(environment.limits->ended_attempt_memory, environment.limits->ended_attempts),
      last_process_(environment.clock->Monotonic()) {}

Partition::~Partition() = default;

void Partition::Adopt(const std::string& store_key, storage::Loaded loaded) {
  Entry& entry = FindOrAdd(store_key).first;
  entry.state.record = std::move(loaded.record);
  entry.revision = loaded.revision;
  entry.grant_replies = 1;  // as far as anybody knows
}

void Partition::BeginServing() {
  last_process_ = environment_.clock->Monotonic();
  const Restore restore = environment_.retention->restore();
  for (auto& [store_key, entry] : entries_) {
    entry->held_since = last_process_;
    const storage::v1::Record& record = *entry->state.record;
    const Duration promised(record.promised_lease_nanos());
    entry->state.lease_deadline = last_process_ + promised;
    if (record.fencing_token() <= restore.fencing_token) {
      entry->state.lease_deadline = last_process_;
      entry->state.stall_extension = promised;  // no stall may extend it
    }
    if (Mutated(Mutant::kRestartEndsLeases)) entry->state.lease_deadline = last_process_;
    SetLeaseTimer(*entry);
  }
}

void Partition::Process(std::span<Work> work, bool more_queued, MonotonicTime taken_at) {
  ReplyGathering replies;
  std::vector<Work> backlog = std::exchange(backlog_, {});
  now_ = environment_.retention->At(environment_.clock->Monotonic());
  FollowSettings();
  restore_ = environment_.retention->restore();
  ExtendLeasesAfterStall();
  last_process_ = now_.monotonic;
  if (!exclusive_) {
    ProcessShared(backlog, work, !more_queued, std::min(now_.monotonic, taken_at), replies);
    return;
  }
  std::vector<Entry*> entries;
  entries.reserve(backlog.size() + work.size());
  if (environment_.fail_stop->tripped() || !Load(backlog, entries) || !Load(work, entries)) {
    for (Work& item : backlog) RefuseFailedStore(item);
    for (Work& item : work) RefuseFailedStore(item);
    FailEverything();
    return;
  }
  highest_token_ = environment_.store->HighestToken();
  FireWaitTimers();
  auto entry = entries.begin();
  for (Work& item : backlog) Run(item, *entry++);
  for (Work& item : work) Run(item, *entry++);
  if (!more_queued) FireLeaseTimers(std::min(now_.monotonic, taken_at));
  replies.Flush();  // what need not wait for the commit
  if (!Commit()) {
    FailEverything();
    return;
  }
  PublishChanges();
  SendAnswers();
  DropIdleEntries();
}

// What is in memory was loaded under the settings of its time.
void Partition::FollowSettings() {
  const void* const version = environment_.namespaces->version();
  if (version == settings_version_) return;
  settings_version_ = version;
  for (auto& [store_key, entry] : entries_) {
    entry->settings = &environment_.namespaces->Get(entry->name_space());
  }
}

void Partition::ExtendLeasesAfterStall() {
  const Duration gap = now_.monotonic - last_process_;
  if (gap <= kStallMin || Mutated(Mutant::kStallEndsLeases)) return;
  std::size_t extended = 0;
  for (auto& [store_key, entry] : entries_) {
    if (!entry->held()) continue;
    KeyState& key = entry->state;
    const Duration promised(key.record->promised_lease_nanos());
    // Over a shared store a lease may have been heard of after the last batch had begun. It is not
    // made longer than any other server takes it for.
    const Duration most =
        std::min(promised - key.stall_extension, now_.monotonic + promised - key.lease_deadline);
    const Duration by = std::clamp(gap, Duration::zero(), std::max(most, Duration::zero()));
    key.stall_extension += by;
    key.lease_deadline += by;
    // Other servers do not know of it, so nothing may be promised that relies on it.
    if (!exclusive_ && by > Duration::zero()) key.lease_elsewhere = true;
    extended += by > Duration::zero() ? 1 : 0;
  }
  environment_.meter->OnStallExtensions(extended);
  environment_.observer->OnStall(gap);
}

bool Partition::Load(std::span<const Work> work, std::vector<Entry*>& entries) {
  std::vector<std::string> missing;
  std::vector<Entry*> added;
  for (const Work& item : work) {
    const std::string& store_key = StoreKeyOf(item);
    if (store_key.empty()) {
      entries.push_back(nullptr);
      continue;
    }
    const auto [entry, is_new] = FindOrAdd(store_key);
    entries.push_back(&entry);
    if (is_new) {
      missing.push_back(store_key);
      added.push_back(&entry);
    }
    Visit(entry);
  }
  if (missing.empty()) return true;
  auto loaded = environment_.store->Load(missing);
  if (!loaded.ok()) {
    environment_.fail_stop->Trip(std::string(loaded.status().message()));
    return false;
  }
  for (std::size_t i = 0; i < missing.size(); ++i) {
    Entry& entry = *added[i];
    entry.state.record = std::move((*loaded)[i].record);
    entry.revision = (*loaded)[i].revision;
    entry.corrupt = (*loaded)[i].corrupt;
    if (entry.state_now() == State::IN_DOUBT) {
      entry.doubt_since_nanos = entry.state.record->state_since_nanos();
    }
  }
  return true;
}

void Partition::Run(Work& work, Entry* entry) {
  std::visit(
      [this, entry](auto& item) {
        using Item = std::remove_reference_t<decltype(item)>;
        if constexpr (std::is_same_v<Item, Call*>) {
          Run(*item, *entry);
        } else if constexpr (std::is_same_v<Item, UnsentGrant>) {
          Run(item, *entry);
        } else {
          Run(item);
        }
      },
      work);
}

void Partition::Run(Call& call, Entry& entry) {
  if (entry.corrupt) {
    AnswerLater(call, RecordCorrupt());
    return;
  }
  LapseIfDue(entry, call.arrived);  // which may grant the key to a waiter
  if (entry.deferred || MustWaitForToken(entry, call)) {
    entry.deferred = true;
    backlog_.emplace_back(&call);
    return;
  }
  const bool may_wait = std::holds_alternative<AcquireLockExchange>(call.operation) ||
                        std::holds_alternative<CheckResultExchange>(call.operation);
  if (may_wait && call.gone()) {
    AnswerLater(call, Cancelled());
    return;
  }
  const bool reads = may_wait || std::holds_alternative<GetRecordExchange>(call.operation);
  if (reads && entry.state_now() == State::COMPLETED &&
      !call.MakeRoom(entry.state.record->result().payload().size())) {
    return;
  }
  if (const auto* release = std::get_if<ReleaseExchange>(&call.operation);
      release != nullptr && release->request->fencing_token() == 0) {
    EndWaitOfAttempt(entry, release->request->attempt_id());
  }
  const State::State before = entry.state_now();
  const MonotonicTime deadline = entry.state.lease_deadline;
  Step step = DecideCall(entry, call);
  if (std::holds_alternative<RenewLeaseExchange>(call.operation) && !step.refusal.has_value()) {
    MeasureRenewal(call, deadline);
  }
  ApplyToCall(entry, call, std::move(step), before);
}

void Partition::Run(const UnsentGrant& unsent, Entry& entry) {
  if (!entry.held() || entry.state.token_pending) return;
  if (entry.state.record->fencing_token() != unsent.fencing_token) return;
  if (--entry.grant_replies > 0 || Mutated(Mutant::kUnsentGrantKept)) return;
  const State::State before = entry.state_now();
  Apply(entry, CheckedUndoGrant(entry.state, unsent.fencing_token, ContextFor(entry)), before);
}

Step Partition::DecideCall(Entry& entry, Call& call) {
  const Context context = ContextFor(entry, call);
  return std::visit(
      [&](auto& exchange) {
        return CheckedDecide(entry.state, *exchange.request, context, exchange.response);
      },
      call.operation);
}

// Nobody can know a token before its commit, so whatever names the key's newest grant comes after
// it.
bool Partition::MustWaitForToken(const Entry& entry, const Call& call) const {
  return entry.state.token_pending &&
         !std::holds_alternative<AcquireLockExchange>(call.operation) &&
         !std::holds_alternative<CheckResultExchange>(call.operation);
}

// A call that arrived before the lease ran out is decided before the lapse, however late the batch
// is; one that came after must not see a lease that is over.
void Partition::LapseIfDue(Entry& entry, MonotonicTime arrived) {
  MonotonicTime now = std::min(now_.monotonic, arrived);
#ifdef LATCHKEY_MUTANTS
  if (Mutated(Mutant::kExpiryOnWallClock)) now += WallLead() - wall_lead_at_start_;
#endif
  if (!entry.held() || entry.state.lease_deadline > now) return;
  if (!exclusive_) return DecideLapse(entry);
  const State::State before = entry.state_now();
  const Step step = CheckedLapse(entry.state, ContextFor(entry));
  environment_.meter->OnLapse(entry.name_space(), step.lapsed_started,
                              now_.monotonic - entry.state.lease_deadline);
  Apply(entry, step, before);
}

Context Partition::ContextFor(const Entry& entry) const {
  Context context;
  context.now = now_;
  context.limits = environment_.limits;
  context.settings = entry.settings;
  context.highest_token = highest_token_;
  if (!exclusive_) {
    context.shared_store = true;
    // What was heard of the key may be newer.
    const std::uint64_t token =
        entry.state.record.has_value() ? entry.state.record->fencing_token() : 0;
    context.highest_token = std::max(highest_token_, token);
  }
  context.restore = restore_;
  context.waiters = static_cast<std::uint32_t>(entry.waiting());
  context.name_space = entry.name_space();
  context.key = entry.key();
  return context;
}

Context Partition::ContextFor(const Entry& entry, const Call& call) const {
  Context context = ContextFor(entry);
  if (environment_.storage_full->load()) context.creation_refusal = v1::Refusal::STORAGE_FULL;
  if (const auto* acquire = std::get_if<AcquireLockExchange>(&call.operation)) {
    context.attempt_ended =
        ended_attempts_.Contains(entry.store_key, acquire->request->attempt_id(), now_.monotonic) &&
        !Mutated(Mutant::kAttemptEndForgotten);
    if (acquire->request->has_first_sent_at()) {
      context.horizon = environment_.retention->HorizonOf(entry.name_space());
    }
  } else if (const auto* check = std::get_if<CheckResultExchange>(&call.operation);
             check != nullptr && check->request->has_first_sent_at()) {
    context.horizon = environment_.retention->HorizonOf(entry.name_space());
  }
  if (context.creation_refusal == v1::Refusal::REASON_UNSPECIFIED) {
    context.quota = QuotaFor(entry, call);
    if (context.quota.has_value()) context.creation_refusal = v1::Refusal::QUOTA_EXCEEDED;
  }
  return context;
}

void Partition::ApplyToCall(Entry& entry, Call& call, Step step, State::State before) {
  if (step.wait && !step.refusal.has_value()) return Enqueue(entry, call);
  const auto* acquire = std::get_if<AcquireLockExchange>(&call.operation);
  if (step.granted) EndRepeatedWait(entry, *acquire->request);
  Apply(entry, step, before, &call);
  if (std::holds_alternative<RenewLeaseExchange>(call.operation) && !step.refusal.has_value()) {
    entry.listener = call.lease_listener();
  }
  const bool grant = acquire != nullptr && acquire->response->has_grant();
  Answer answer;
  answer.call = &call;
  answer.refusal = std::move(step.refusal);
  answer.lease_deadline = step.lease_deadline;
  answer.granted = grant ? &entry : nullptr;
  // What speaks only of what is stored need not wait for the commit, nor fill the memory until it.
  if (!entry.staged && !environment_.fail_stop->tripped()) {
    Send(answer, environment_.clock->Monotonic());
  } else {
    answers_.push_back(std::move(answer));
  }
}

void Partition::Apply(Entry& entry, const Step& step, State::State before, const Call* call) {
  if (step.lapsed) NoteLoss(entry, step.lapsed_token);
  if (step.durable) Stage(entry);
  if (!step.ended_attempt.empty()) {
    ended_attempts_.Add(entry.store_key, step.ended_attempt, now_.monotonic);
  }
  if (!step.former_attempt.empty()) {
    ended_attempts_.AddFormer(entry.store_key, step.former_attempt);
  }
  const State::State after = entry.state_now();
  if (step.granted) {
    if (before != State::IN_DOUBT) CountKey(entry);
    entry.grant_replies = 0;
    ended_attempts_.Supersede(entry.store_key, entry.state.record->attempt_id(), now_.monotonic);
  }
  const int held = (after == State::HELD ? 1 : 0) - (before == State::HELD ? 1 : 0);
  const int in_doubt = (after == State::IN_DOUBT ? 1 : 0) - (before == State::IN_DOUBT ? 1 : 0);
  if (exclusive_) environment_.live_counts->Add(entry.name_space(), held, in_doubt);
  SetLeaseTimer(entry);
  Measure(entry, step, before, call);
  if (call != nullptr) {
    environment_.observer->OnStepOf(*call, step);
  } else {
    environment_.observer->OnStep(entry.store_key, step);
  }
  if (entry.waiting() == 0) return;
  if (step.granted) RefuseOtherFingerprints(entry);
  if (step.durable && after != State::HELD) ServeQueue(entry);
}

void Partition::Visit(Entry& entry) {
  if (!entry.visited) visited_.push_back(&entry);
  entry.visited = true;
}

void Partition::Stage(Entry& entry) {
  if (!entry.staged) staged_.push_back(&entry);
  entry.staged = true;
}

void Partition::SetLeaseTimer(Entry& entry) {
  const bool held = entry.held();
  if (entry.timer.has_value() && (!held || *entry.timer > entry.state.lease_deadline)) {
    lease_timers_.Remove(*entry.timer, {entry.number, &entry});
    entry.timer.reset();
  }
  if (held && !entry.timer.has_value()) {
    entry.timer = entry.state.lease_deadline;
    lease_timers_.Add(*entry.timer, {entry.number, &entry});
  }
}

// Some at a time, so that calls on other keys do not wait for a hundred thousand; the rest are due
// at once in the next batch, and one that is asked for meanwhile lapses then.
void Partition::FireLeaseTimers(MonotonicTime until) {
  for (int fired = 0; fired < kLapsesAtOnce; ++fired) {
    const auto due = lease_timers_.PopDue(until);
    if (!due.has_value()) return;
    Entry& entry = *due->second;
    Visit(entry);
    entry.timer.reset();
    LapseIfDue(entry, until);
    if (!entry.busy) SetLeaseTimer(entry);
  }
}

// Before anything else of the batch: so no key that it frees meets a waiter whose time is up.
void Partition::FireWaitTimers() {
  while (auto due = wait_timers_.PopDue(now_.monotonic)) {
    Visit(*due->entry);
    if (exclusive_) {
      AnswerTimedOut(*due->entry, *due->call);
    } else {
      DecideTimedOut(*due->entry, *due->call);
    }
  }
}

bool Partition::Commit() {
  std::vector<storage::Write> writes;
  writes.reserve(staged_.size());
  for (Entry* entry : staged_) {
    writes.push_back({.store_key = entry->store_key,
                      .expected = entry->revision,
                      .record = entry->state.record.has_value() ? &*entry->state.record : nullptr,
                      .assign_token = entry->state.token_pending});
  }
  if (writes.empty()) return !environment_.fail_stop->tripped();
  const MonotonicTime begun = environment_.clock->Monotonic();
  auto results = environment_.store->Commit(writes);
  if (!results.ok() && Mutated(Mutant::kSyncErrorIgnored)) return true;
  if (!results.ok()) {
    environment_.fail_stop->Trip(std::string(results.status().message()));
    return false;
  }
  environment_.meter->OnCommit(environment_.clock->Monotonic() - begun, writes.size());
  Failpoint("committed");
  for (std::size_t i = 0; i < staged_.size(); ++i) {
    const storage::WriteResult& result = (*results)[i];
    if (result.outcome != storage::WriteResult::Outcome::kCommitted) {
      environment_.fail_stop->Trip("the store did not commit a write");
      return false;
    }
    Entry& entry = *staged_[i];
    entry.revision = result.revision;
    if (entry.state.token_pending) {
      entry.state.record->set_fencing_token(result.token);
      entry.state.token_pending = false;
    }
  }
  return true;
}

// Before the answers, so that whoever has heard of a change finds it in the feed. Asked after the
// commit: who begins to watch now reads what is committed.
void Partition::PublishChanges() {
  if (environment_.changes == nullptr || staged_.empty() || !environment_.changes->watched()) {
    return;
  }
  for (const Entry* entry : staged_) {
    environment_.changes->Publish(entry->store_key, entry->state.record, ContextFor(*entry));
  }
  environment_.changes->Announce();
}

}  // namespace latchkey
