// Phase 2 of a run: nothing goes wrong any more, and everything comes to rest. Part of world.h.

#include <algorithm>
#include <memory>
#include <utility>

#include "server/machine/downstream_key.h"
#include "server/machine/proto_time.h"
#include "storage/store_key.h"
#include "tools/simulation/unary.h"
#include "tools/simulation/world.h"

namespace latchkey::simulation {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using Acquired = v1::AcquireLockResponse;
using State = v1::CheckResultResponse;

// Longer than a caller's longest wait, retry, lease and delivery, one after the other. What waits
// in the background is tried again after some seconds at most.
constexpr Duration kRest = 90s;
// A lapse is decided at most so long after its time, and what waits for it is served.
constexpr Duration kLateness = 250ms;
constexpr Duration kProbeLease = 500ms;

}  // namespace

void World::Heal() {
  trace_.Add(scheduler_.now(), "world", "heals");
  healed_ = true;
  swarm_.Heal();
  for (const auto& raw : raw_callers_) raw->Retire();
  for (const auto& payer : payers_) payer->Retire();
  // What was down comes back by itself within seconds.
}

void World::RequireRest() {
  const Duration until = scheduler_.now() + kRest;
  const auto rests = [this] {
    return server_->up() && !server_->paused() && server_->life_now().idle() &&
           std::ranges::all_of(payers_, [](const auto& payer) { return payer->idle(); });
  };
  while (scheduler_.now() < until && !(scheduler_.now() > until - kRest + 10s && rests())) {
    if (!Pass(1s)) return;
  }
  for (const auto& payer : payers_) {
    if (!payer->idle())
      return OnViolation("L10", "a call was never answered: " + payer->Describe());
  }
  if (!server_->up()) return OnViolation("L10", "the server does not come back");
  if (!server_->life_now().idle()) {
    return OnViolation("L10", "the server has not come to rest: calls wait, or leases live");
  }
  ProbeKeys();
  if (!violation_.empty()) return;
  JudgeBooks();
  checker_->JudgeEnd(server_->disk());
}

// Every key can be had: taken by one caller who falls silent, and then by one who waits.
void World::ProbeKeys() {
  std::vector<std::string> keys = {"probe"};
  for (const storage::Scanned& scanned : server_->disk().All()) {
    const auto parts = storage::SplitStoreKey(scanned.store_key);
    if (parts.name_space != "default" || scanned.loaded.record->state() == State::COMPLETED)
      continue;
    keys.emplace_back(parts.key);
  }
  // One after the other: the server's queue may be short.
  for (const std::string& key : keys) {
    Probe("default", key);
    if (!Pass(20ms)) return;
  }
  if (!Pass(kProbeLease + 10s)) return;
  if (probes_open_ > 0) OnViolation("L10", "an AcquireLock that waits was not answered");
}

void World::Probe(const std::string& name_space, const std::string& key) {
  ++probes_;
  ++probes_open_;
  v1::AcquireLockRequest request;
  request.set_namespace_(name_space);
  request.set_key(key);
  request.set_attempt_id("probe-1-" + key);
  request.set_holder_id(request.attempt_id());
  request.set_accept_recover(true);
  SetProto(kProbeLease, request.mutable_lease_duration());
  v1::AcquireLockRequest second = request;
  second.set_attempt_id("probe-2-" + key);
  second.set_holder_id(second.attempt_id());
  SetProto(Duration(10s), second.mutable_wait_timeout());
  const auto on_second = [this, key, begun = scheduler_.now()](const internal::CallStatus& status,
                                                               const Acquired& response) {
    --probes_open_;
    if (status.code != grpc::StatusCode::OK || response.has_contention()) {
      return OnViolation("L10", key + " was not to be had: " + status.message);
    }
    const Duration late = scheduler_.now() - begun - kProbeLease;
    if (late > kLateness) {
      OnViolation("L10", key + " was handed over " + std::to_string(late.count()) +
                             " ns after the lease before had ended");
    }
  };
  network_->Call<v1::AcquireLockRequest, Acquired>(
      *prober_, request, {5s},
      [this, key, second, on_second](const internal::CallStatus& status, const Acquired& response) {
        if (status.code != grpc::StatusCode::OK || response.has_contention()) {
          --probes_open_;
          // Another fingerprint than the run's was not given, so nothing else may refuse it.
          return OnViolation("L10", key + " was not to be had: " + status.message);
        }
        network_->Call<v1::AcquireLockRequest, Acquired>(*prober_, second, {20s}, on_second);
      });
}

// What was done is done once, and what is recorded is what was done.
void World::JudgeBooks() {
  for (const storage::Scanned& scanned : server_->disk().All()) {
    const auto parts = storage::SplitStoreKey(scanned.store_key);
    if (parts.name_space != "default" || !parts.key.starts_with("pay-")) continue;
    const std::string key(parts.key);
    const storage::Record& record = *scanned.loaded.record;
    const std::string downstream = DownstreamIdempotencyKey("default", key);
    const std::size_t effects = provider_->effects(downstream);
    if (effects > 1) OnViolation("I5", key + " was charged " + std::to_string(effects) + " times");
    if (record.state() != State::COMPLETED) continue;
    const bool succeeded = record.result().outcome() == v1::Result::SUCCEEDED;
    if (succeeded != (effects == 1) ||
        record.result().provider_reference() != provider_->reference(downstream)) {
      OnViolation("I5", key + " is recorded as " + record.result().provider_reference() +
                            "; the provider has " + provider_->reference(downstream));
    }
  }
}

}  // namespace latchkey::simulation
