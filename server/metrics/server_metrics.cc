#include "server/metrics/server_metrics.h"

#include <algorithm>

namespace latchkey {
namespace {

// A clock that is read on two threads may seem to go back.
std::uint64_t Nanos(Duration duration) {
  return static_cast<std::uint64_t>(std::max(duration, Duration::zero()).count());
}

}  // namespace

ServerMetrics::ServerMetrics(const Namespaces& namespaces)
    : labels_(namespaces), doubt_ages_(labels_.labels().size()) {
  for (std::size_t i = 0; i < kShards; ++i) {
    shards_.push_back(std::make_unique<Shard>(labels_.labels().size()));
  }
}

ServerMetrics::~ServerMetrics() = default;

void ServerMetrics::OnAnswered(Rpc rpc, Duration took, const std::optional<Refusal>& refusal) {
  auto& histogram = Mine().request_nanos[static_cast<std::size_t>(rpc)];
  histogram.Observe(buckets::kShort, Nanos(took));
  if (refusal.has_value()) OnRefused(rpc, refusal->reason);
}

void ServerMetrics::OnAcquireAnswered(std::string_view name_space, AcquireOutcome outcome) {
  auto& cells = Mine().namespaces[labels_.PlaceOf(name_space)];
  cells.acquires[static_cast<std::size_t>(outcome)].Add();
}

void ServerMetrics::OnRefused(Rpc rpc, Reason reason) {
  refusals_[static_cast<std::size_t>(rpc)][static_cast<std::size_t>(reason)].Add();
}

void ServerMetrics::OnLapse(std::string_view name_space, bool started, Duration lag) {
  Shard& shard = Mine();
  shard.namespaces[labels_.PlaceOf(name_space)].lapses[started ? 1 : 0].Add();
  shard.lapse_lag_nanos.Observe(buckets::kShort, Nanos(lag));
}

void ServerMetrics::OnHoldEnded(Duration held) {
  Mine().hold_nanos.Observe(buckets::kLong, Nanos(held));
}

void ServerMetrics::OnRenewed(Duration left) {
  Mine().renewal_margin_nanos.Observe(buckets::kLong, Nanos(left));
}

void ServerMetrics::OnWaitEnded(Duration waited) {
  Mine().wait_nanos.Observe(buckets::kLong, Nanos(waited));
}

void ServerMetrics::OnDoubt(std::string_view name_space, std::int64_t since_nanos, bool in_doubt) {
  const std::size_t label = labels_.PlaceOf(name_space);
  if (in_doubt) {
    doubt_ages_.Add(label, since_nanos);
  } else {
    doubt_ages_.Remove(label, since_nanos);
  }
}

void ServerMetrics::OnStallExtensions(std::size_t leases) { Mine().stall_extensions.Add(leases); }

void ServerMetrics::OnResult(std::size_t payload_bytes, bool late) {
  Shard& shard = Mine();
  shard.result_bytes.Observe(buckets::kBytes, payload_bytes);
  if (late) shard.late_results[1].Add();
}

void ServerMetrics::OnLateOutcomeKept() { Mine().late_results[0].Add(); }

void ServerMetrics::OnDuplicateSuspected() { Mine().duplicates_suspected.Add(); }

void ServerMetrics::OnExpiredReplaced() { Mine().expired_replaced.Add(); }

void ServerMetrics::OnCommit(Duration took, std::size_t records) {
  Shard& shard = Mine();
  shard.commit_nanos.Observe(buckets::kShort, Nanos(took));
  shard.commit_records.Observe(buckets::kRecords, records);
}

}  // namespace latchkey
