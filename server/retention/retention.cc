#include "server/retention/retention.h"

#include <algorithm>
#include <optional>

#include "base/failpoint.h"
#include "latchkey/v1/admin.pb.h"
#include "server/machine/proto_time.h"
#include "server/machine/results.h"
#include "storage/store_key.h"

namespace latchkey {
namespace {

// Stands for all namespaces without settings of their own; no namespace can have this name.
constexpr char kOthers[] = "*";

std::optional<WallTime> StoredClock(const storage::v1::StoreState& state) {
  if (state.retention_clock_nanos() == 0) return std::nullopt;
  return WallTimeFromNanos(state.retention_clock_nanos());
}

// A process begins its revisions so far above the last one that was stored: more than are given in
// the seconds until the next time.
constexpr std::uint64_t kRevisionsUnstored = std::uint64_t{1} << 24;
// And above the clock, which outruns them: a restore, which knows only those of its backup, begins
// above all of those that were given after it.
constexpr int kRevisionsPerMillisecondBits = 20;

std::uint64_t ClockRevision(WallTime wall) {
  const auto millis =
      std::chrono::duration_cast<std::chrono::milliseconds>(wall.time_since_epoch()).count();
  return static_cast<std::uint64_t>(std::max<std::int64_t>(millis, 0))
         << kRevisionsPerMillisecondBits;
}

// On a shared store, where another server may save at the same time.
constexpr int kSaveTriesMax = 20;

std::int64_t HorizonIn(const storage::v1::StoreState& state, const std::string& name_space) {
  const auto found = state.horizon_nanos().find(name_space);
  return found == state.horizon_nanos().end() ? 0 : found->second;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Retention>> Retention::Start(storage::RecordStore& store,
                                                            const Namespaces& namespaces,
                                                            Clock& clock, Options options) {
  auto state = store.LoadState();
  if (!state.ok()) return state.status();
  std::unique_ptr<Retention> retention(
      new Retention(store, namespaces, clock, options, *std::move(state)));
  if (auto saved = retention->Save(); !saved.ok()) return saved;
  return retention;
}

Retention::Retention(storage::RecordStore& store, const Namespaces& namespaces, Clock& clock,
                     Options options, storage::v1::StoreState state)
    : store_(store),
      namespaces_(namespaces),
      clock_(clock),
      options_(options),
      retention_clock_(StoredClock(state), options.accept_clock_step, clock.Monotonic(),
                       clock.Wall()),
      state_(std::move(state)) {
  MutexLock lock(mutex_);
  first_watch_revision_ = std::max(state_.watch_revision() + kRevisionsUnstored,
                                   ClockRevision(retention_clock_.RetentionAt(clock.Monotonic())));
  watch_revision_ = first_watch_revision_;
}

void Retention::Tick() {
  MutexLock lock(mutex_);
  retention_clock_.Tick(clock_.Monotonic(), clock_.Wall());
}

absl::Status Retention::Save() {
  return Save([](storage::v1::StoreState&) {});
}

absl::Status Retention::SaveFor(const Namespaces& namespaces) {
  return Save([&](storage::v1::StoreState& next) { RaiseHorizons(namespaces, next); });
}

absl::Status Retention::Save(const std::function<void(storage::v1::StoreState&)>& change) {
  MutexLock saving(saving_);
  absl::Status saved = absl::AbortedError("");
  for (int tries = 0; absl::IsAborted(saved) && tries < kSaveTriesMax; ++tries) {
    saved = TrySave(change);
  }
  return saved;
}

absl::Status Retention::TrySave(const std::function<void(storage::v1::StoreState&)>& change) {
  storage::v1::StoreState next;
  if (store_.exclusive()) {
    MutexLock lock(mutex_);
    next = state_;
  } else {
    auto stored = store_.LoadState();
    if (!stored.ok()) return stored.status();
    next = *std::move(stored);
  }
  {
    MutexLock lock(mutex_);
    next.set_retention_clock_nanos(std::max(
        next.retention_clock_nanos(), ToNanos(retention_clock_.RetentionAt(clock_.Monotonic()))));
    next.set_watch_revision(std::max(next.watch_revision(), watch_revision_));
    next.set_version(next.version() + 1);
    RaiseHorizons(namespaces_, next);
  }
  change(next);
  Failpoint("saving_retention");
  if (auto saved = store_.SaveState(next); !saved.ok()) return saved;
  Failpoint("saved_retention");
  MutexLock lock(mutex_);
  state_ = std::move(next);
  return absl::OkStatus();
}

void Retention::RaiseHorizons(const Namespaces& namespaces, storage::v1::StoreState& state) {
  const std::int64_t now = state.retention_clock_nanos();
  auto& horizons = *state.mutable_horizon_nanos();
  const auto raise = [&](const std::string& name, const NamespaceSettings& settings) {
    // A namespace that gets settings of its own was one of the others until now.
    const std::int64_t before =
        horizons.contains(name) ? HorizonIn(state, name) : HorizonIn(state, kOthers);
    horizons[name] = std::max(before, now - settings.key_retention.count());
  };
  for (const auto& [name, settings] : namespaces.named()) raise(name, settings);
  raise(kOthers, namespaces.others());
  // One that had settings of its own is one of the others now, also if it gets new ones later.
  const std::int64_t others = HorizonIn(state, kOthers);
  for (auto& [name, horizon] : horizons) {
    if (!namespaces.IsNamed(name)) horizon = std::max(horizon, others);
  }
}

Now Retention::At(MonotonicTime monotonic) const {
  MutexLock lock(mutex_);
  return {monotonic, retention_clock_.RetentionAt(monotonic), retention_clock_.LatestAt(monotonic),
          retention_clock_.steady_since()};
}

WallTime Retention::HorizonOf(std::string_view name_space) const {
  MutexLock lock(mutex_);
  const std::int64_t own = HorizonIn(state_, std::string(name_space));
  if (namespaces_.IsNamed(name_space)) return WallTimeFromNanos(own);
  return WallTimeFromNanos(std::max(own, HorizonIn(state_, kOthers)));
}

storage::Expired Retention::Expire(std::string_view store_key, storage::v1::Record& record) const {
  WallTime stored;
  {
    MutexLock lock(mutex_);
    stored = WallTimeFromNanos(state_.retention_clock_nanos());
  }
  const auto& settings = namespaces_.Get(storage::SplitStoreKey(store_key).name_space);
  if (IsReclaimable(record, options_.limits, settings, stored)) {
    expired_records_.fetch_add(1, std::memory_order_relaxed);
    return storage::Expired::kAll;
  }
  return DropExpiredPayload(record, stored) ? storage::Expired::kPart : storage::Expired::kNothing;
}

bool Retention::clock_in_doubt() const {
  MutexLock lock(mutex_);
  return retention_clock_.in_doubt();
}

Restore Retention::restore() const {
  MutexLock lock(mutex_);
  Restore restore;
  restore.fencing_token = state_.restore_fencing_token();
  restore.in_doubt = state_.restored_at_nanos() != 0;
  restore.at = WallTimeFromNanos(state_.restored_at_nanos());
  restore.unknown_since = WallTimeFromNanos(state_.unknown_since_nanos());
  return restore;
}

absl::StatusOr<bool> Retention::ClearRestoreDoubt(v1::AuditEntry done) {
  if (!restore().in_doubt) return false;
  const absl::Status saved = Save([&](storage::v1::StoreState& state) {
    state.clear_restored_at_nanos();
    state.clear_unknown_since_nanos();
    AddAudit(std::move(done), state);
  });
  if (!saved.ok()) return saved;
  return true;
}

absl::Status Retention::Audit(v1::AuditEntry done) {
  return Save([&](storage::v1::StoreState& state) { AddAudit(std::move(done), state); });
}

void Retention::AddAudit(v1::AuditEntry done, storage::v1::StoreState& state) const {
  SetProto(WallTimeFromNanos(state.retention_clock_nanos()), done.mutable_at());
  done.set_fencing_token(store_.HighestToken());
  auto& audit = *state.mutable_audit();
  const int most = static_cast<int>(options_.limits.store_audit_entries);
  if (audit.size() >= most) audit.DeleteSubrange(0, audit.size() - most + 1);
  *audit.Add() = std::move(done);
}

std::vector<v1::AuditEntry> Retention::audit() const {
  MutexLock lock(mutex_);
  return {state_.audit().begin(), state_.audit().end()};
}

void Retention::NoteWatchRevision(std::uint64_t revision) {
  MutexLock lock(mutex_);
  watch_revision_ = std::max(watch_revision_, revision);
}

}  // namespace latchkey
