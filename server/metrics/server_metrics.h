// Counts what a server does, and shows it as the metric families of docs/metrics.md.
#pragma once

#include <prometheus/metric_family.h>

#include <array>
#include <memory>
#include <vector>

#include "server/metrics/buckets.h"
#include "server/metrics/cells.h"
#include "server/metrics/doubt_ages.h"
#include "server/metrics/namespace_labels.h"
#include "server/partition/meter.h"
#include "server/service/gauges.h"

namespace latchkey {

// Thread-safe. Its size is fixed by the settings, whatever callers do, but for the seconds that
// DoubtAges remembers.
class ServerMetrics final : public Meter {
 public:
  explicit ServerMetrics(const Namespaces& namespaces);
  ~ServerMetrics() override;

  // All families, always the same and in the same order, with what is counted until now.
  std::vector<prometheus::MetricFamily> Collect(const Gauges& gauges) const;

  void OnAnswered(Rpc rpc, Duration took, const std::optional<Refusal>& refusal) override;
  void OnAcquireAnswered(std::string_view name_space, AcquireOutcome outcome) override;
  void OnRefused(Rpc rpc, Reason reason) override;
  void OnLapse(std::string_view name_space, bool started, Duration lag) override;
  void OnHoldEnded(Duration held) override;
  void OnRenewed(Duration left) override;
  void OnWaitEnded(Duration waited) override;
  void OnDoubt(std::string_view name_space, std::int64_t since_nanos, bool in_doubt) override;
  void OnStallExtensions(std::size_t leases) override;
  void OnResult(std::size_t payload_bytes, bool late) override;
  void OnLateOutcomeKept() override;
  void OnDuplicateSuspected() override;
  void OnExpiredReplaced() override;
  void OnCommit(Duration took, std::size_t records) override;

 private:
  template <const auto& kBounds>
  using Histogram = HistogramCells<std::tuple_size_v<std::remove_cvref_t<decltype(kBounds)>>>;

  // Of one namespace label.
  struct NamespaceCells {
    std::array<Cell, kAcquireOutcomes> acquires;
    std::array<Cell, 2> lapses;  // by whether the effect had been started
  };

  // What one thread counts.
  struct alignas(64) Shard {
    explicit Shard(std::size_t labels) : namespaces(labels) {}

    std::vector<NamespaceCells> namespaces;
    std::array<Histogram<buckets::kShort>, kRpcs> request_nanos;
    Histogram<buckets::kLong> wait_nanos;
    Histogram<buckets::kLong> hold_nanos;
    Histogram<buckets::kLong> renewal_margin_nanos;
    Histogram<buckets::kShort> lapse_lag_nanos;
    Histogram<buckets::kShort> commit_nanos;
    Histogram<buckets::kRecords> commit_records;
    Histogram<buckets::kBytes> result_bytes;
    Cell stall_extensions;
    std::array<Cell, 2> late_results;  // by whether they were accepted
    Cell duplicates_suspected;
    Cell expired_replaced;
  };

  // By the number of the reason, which is small.
  using RefusalCells = std::array<Cell, v1::Refusal::Reason_ARRAYSIZE>;

  Shard& Mine() { return *shards_[ShardOfThread()]; }
  template <class Get>
  std::uint64_t Sum(const Get& get) const;
  template <class Bounds, class Get>
  prometheus::ClientMetric Read(const Bounds& bounds, double unit, const Get& get) const;
  template <const auto& kBounds, class Get>
  prometheus::MetricFamily ReadFamily(const char* name, double unit, const Get& get) const;
  prometheus::MetricFamily Acquires() const;
  prometheus::MetricFamily Refusals() const;
  prometheus::MetricFamily Requests() const;
  prometheus::MetricFamily Lapses() const;
  prometheus::MetricFamily LateResults() const;
  prometheus::MetricFamily Records(const Gauges& gauges) const;
  prometheus::MetricFamily DoubtAge(const Gauges& gauges) const;

  const NamespaceLabels labels_;
  std::vector<std::unique_ptr<Shard>> shards_;
  // Not sharded: refusals are not what has to be quick.
  std::array<RefusalCells, kRpcs> refusals_;
  DoubtAges doubt_ages_;
};

}  // namespace latchkey
