#include "server/retention/retention.h"

#include <algorithm>
#include <optional>

#include "base/failpoint.h"
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
      state_(std::move(state)) {}

void Retention::Tick() {
  MutexLock lock(mutex_);
  retention_clock_.Tick(clock_.Monotonic(), clock_.Wall());
}

absl::Status Retention::Save() { return SaveFor(namespaces_); }

absl::Status Retention::SaveFor(const Namespaces& namespaces) {
  MutexLock saving(saving_);
  storage::v1::StoreState next;
  {
    MutexLock lock(mutex_);
    next = state_;
    next.set_retention_clock_nanos(ToNanos(retention_clock_.RetentionAt(clock_.Monotonic())));
    RaiseHorizons(namespaces, next);
  }
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

}  // namespace latchkey
