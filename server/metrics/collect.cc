// How the counts become metric families. Part of server_metrics.h.

#include <string>
#include <utility>

#include "server/metrics/server_metrics.h"

namespace latchkey {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

constexpr double kNanosPerSecond = 1e9;

constexpr std::array<const char*, kRpcs> kRpcNames = {
    "AcquireLock",  "RenewLease",      "CheckResult",  "RecordResult", "Release",
    "GetRecord",    "ResolveOutcome",  "ForceRelease", "DeleteRecord", "ListRecords",
    "IssueKey",     "GetServerStatus", "Heartbeat",    "Session",      "ClearRestoreDoubt",
    "CreateBackup", "WatchRecords"};

constexpr std::array<const char*, kAcquireOutcomes> kOutcomeNames = {
    "execute", "recover", "replayed", "completed", "contention", "refused"};

constexpr std::array<const char*, 2> kTruth = {"false", "true"};

// One line each; docs/metrics.md says more.
struct Help {
  const char* name;
  const char* text;
};
constexpr Help kHelp[] = {
    {"latchkey_acquire_total", "AcquireLock calls, by what they were answered with."},
    {"latchkey_refusals_total", "Calls that were refused, by reason."},
    {"latchkey_request_seconds", "From a call's arrival to its answer, waits included."},
    {"latchkey_wait_seconds", "How long calls waited in the queue of their key."},
    {"latchkey_hold_seconds", "From a grant to the end of its hold."},
    {"latchkey_waiters", "Calls that wait now."},
    {"latchkey_records", "Records that are HELD or IN_DOUBT now."},
    {"latchkey_in_doubt_oldest_age_seconds", "How long the oldest record in doubt has been so."},
    {"latchkey_lapses_total", "Leases that ended without a word of their holders."},
    {"latchkey_lapse_lag_seconds", "How long after a lease had run out it was ended."},
    {"latchkey_renewal_margin_seconds", "What was left of a lease when its renewal came."},
    {"latchkey_stall_extensions_total", "Leases extended because nobody could renew them."},
    {"latchkey_late_results_total", "Outcomes reported too late, by whether they count."},
    {"latchkey_duplicate_effects_suspected_total", "Records whose reports contradict each other."},
    {"latchkey_result_bytes", "Payload sizes of recorded results."},
    {"latchkey_expired_records_total", "Completed records forgotten as their retention was over."},
    {"latchkey_commit_seconds", "How long a synced commit of the store took."},
    {"latchkey_commit_batch_size", "Records written by one commit."},
    {"latchkey_queue_length", "What a partition has been given and has not begun."},
    {"latchkey_sessions", "Session streams that are open now."},
    {"latchkey_fencing_token", "The highest fencing token that was given."},
};

MetricFamily Family(const std::string& name, MetricType type) {
  MetricFamily family;
  family.name = name;
  family.type = type;
  for (const Help& help : kHelp) {
    if (name == help.name) family.help = help.text;
  }
  return family;
}

void AddCounter(MetricFamily& family, Labels labels, std::uint64_t value) {
  ClientMetric& metric = family.metric.emplace_back();
  metric.label = std::move(labels);
  metric.counter.value = static_cast<double>(value);
}

void AddGauge(MetricFamily& family, Labels labels, double value) {
  ClientMetric& metric = family.metric.emplace_back();
  metric.label = std::move(labels);
  metric.gauge.value = value;
}

MetricFamily OneCounter(const std::string& name, std::uint64_t value) {
  MetricFamily family = Family(name, MetricType::Counter);
  AddCounter(family, {}, value);
  return family;
}

MetricFamily OneGauge(const std::string& name, double value) {
  MetricFamily family = Family(name, MetricType::Gauge);
  AddGauge(family, {}, value);
  return family;
}

MetricFamily QueueLengths(const Gauges& gauges) {
  MetricFamily family = Family("latchkey_queue_length", MetricType::Gauge);
  for (std::size_t i = 0; i < gauges.queue_lengths.size(); ++i) {
    AddGauge(family, {{"partition", std::to_string(i)}},
             static_cast<double>(gauges.queue_lengths[i]));
  }
  return family;
}

}  // namespace

template <class Get>
std::uint64_t ServerMetrics::Sum(const Get& get) const {
  std::uint64_t sum = 0;
  for (const auto& shard : shards_) sum += get(*shard);
  return sum;
}

// `unit`: how many of what was counted make one of what is shown.
template <class Bounds, class Get>
ClientMetric ServerMetrics::Read(const Bounds& bounds, double unit, const Get& get) const {
  ClientMetric metric;
  auto& histogram = metric.histogram;
  for (std::size_t bucket = 0; bucket <= bounds.size(); ++bucket) {
    histogram.sample_count += Sum([&](const Shard& shard) { return get(shard).count(bucket); });
    if (bucket == bounds.size()) break;  // its bucket is called +Inf, and added by whoever writes
    histogram.bucket.push_back(
        {histogram.sample_count, static_cast<double>(bounds[bucket]) / unit});
  }
  const std::uint64_t sum = Sum([&](const Shard& shard) { return get(shard).sum(); });
  histogram.sample_sum = static_cast<double>(sum) / unit;
  return metric;
}

template <const auto& kBounds, class Get>
MetricFamily ServerMetrics::ReadFamily(const char* name, double unit, const Get& get) const {
  MetricFamily family = Family(name, MetricType::Histogram);
  family.metric.push_back(Read(kBounds, unit, get));
  return family;
}

MetricFamily ServerMetrics::Acquires() const {
  MetricFamily family = Family("latchkey_acquire_total", MetricType::Counter);
  for (std::size_t label = 0; label < labels_.labels().size(); ++label) {
    for (std::size_t outcome = 0; outcome < kAcquireOutcomes; ++outcome) {
      AddCounter(family,
                 {{"namespace", labels_.labels()[label]}, {"outcome", kOutcomeNames[outcome]}},
                 Sum([&](const Shard& shard) {
                   return shard.namespaces[label].acquires[outcome].value();
                 }));
    }
  }
  return family;
}

// Only those that there were: most calls cannot be refused for most reasons.
MetricFamily ServerMetrics::Refusals() const {
  MetricFamily family = Family("latchkey_refusals_total", MetricType::Counter);
  for (std::size_t rpc = 0; rpc < kRpcs; ++rpc) {
    for (std::size_t reason = 0; reason < refusals_[rpc].size(); ++reason) {
      const std::uint64_t count = refusals_[rpc][reason].value();
      if (count == 0) continue;
      const std::string name =
          reason == 0 ? "CANCELLED" : v1::Refusal::Reason_Name(static_cast<int>(reason));
      AddCounter(family, {{"rpc", kRpcNames[rpc]}, {"reason", name}}, count);
    }
  }
  return family;
}

MetricFamily ServerMetrics::Requests() const {
  MetricFamily family = Family("latchkey_request_seconds", MetricType::Histogram);
  for (std::size_t rpc = 0; rpc < kRpcs; ++rpc) {
    ClientMetric metric =
        Read(buckets::kShort, kNanosPerSecond,
             [&](const Shard& shard) -> const auto& { return shard.request_nanos[rpc]; });
    if (metric.histogram.sample_count == 0) continue;
    metric.label = {{"rpc", kRpcNames[rpc]}};
    family.metric.push_back(std::move(metric));
  }
  return family;
}

MetricFamily ServerMetrics::Lapses() const {
  MetricFamily family = Family("latchkey_lapses_total", MetricType::Counter);
  for (std::size_t label = 0; label < labels_.labels().size(); ++label) {
    for (std::size_t started = 0; started < kTruth.size(); ++started) {
      AddCounter(
          family, {{"namespace", labels_.labels()[label]}, {"started", kTruth[started]}},
          Sum([&](const Shard& shard) { return shard.namespaces[label].lapses[started].value(); }));
    }
  }
  return family;
}

MetricFamily ServerMetrics::LateResults() const {
  MetricFamily family = Family("latchkey_late_results_total", MetricType::Counter);
  for (std::size_t accepted = 0; accepted < kTruth.size(); ++accepted) {
    AddCounter(family, {{"accepted", kTruth[accepted]}},
               Sum([&](const Shard& shard) { return shard.late_results[accepted].value(); }));
  }
  return family;
}

MetricFamily ServerMetrics::Records(const Gauges& gauges) const {
  std::vector<LiveCounts::Counts> counts(labels_.labels().size());
  for (const auto& [name_space, live] : gauges.live) {
    LiveCounts::Counts& sum = counts[labels_.PlaceOf(name_space)];
    sum.held += live.held;
    sum.in_doubt += live.in_doubt;
  }
  MetricFamily family = Family("latchkey_records", MetricType::Gauge);
  for (std::size_t label = 0; label < counts.size(); ++label) {
    const std::string& name = labels_.labels()[label];
    AddGauge(family, {{"namespace", name}, {"state", "HELD"}},
             static_cast<double>(counts[label].held));
    AddGauge(family, {{"namespace", name}, {"state", "IN_DOUBT"}},
             static_cast<double>(counts[label].in_doubt));
  }
  return family;
}

MetricFamily ServerMetrics::DoubtAge(const Gauges& gauges) const {
  MetricFamily family = Family("latchkey_in_doubt_oldest_age_seconds", MetricType::Gauge);
  for (std::size_t label = 0; label < labels_.labels().size(); ++label) {
    const Duration age =
        doubt_ages_.OldestAge(label, gauges.retention_clock).value_or(Duration::zero());
    AddGauge(family, {{"namespace", labels_.labels()[label]}},
             static_cast<double>(age.count()) / kNanosPerSecond);
  }
  return family;
}

std::vector<MetricFamily> ServerMetrics::Collect(const Gauges& gauges) const {
  const auto counter = [this](const char* name, Cell Shard::* cell, std::uint64_t more = 0) {
    return OneCounter(name, more + Sum([&](const Shard& shard) { return (shard.*cell).value(); }));
  };
  const auto seconds = [this] < const auto & kBounds > (const char* name, auto Shard::* histogram) {
    return ReadFamily<kBounds>(
        name, kNanosPerSecond,
        [histogram](const Shard& shard) -> const auto& { return shard.*histogram; });
  };
  const auto numbers = [this] < const auto & kBounds > (const char* name, auto Shard::* histogram) {
    return ReadFamily<kBounds>(
        name, 1, [histogram](const Shard& shard) -> const auto& { return shard.*histogram; });
  };
  using buckets::kLong;
  using buckets::kShort;
  std::vector<MetricFamily> all;
  all.push_back(Acquires());
  all.push_back(Refusals());
  all.push_back(Requests());
  all.push_back(seconds.operator()<kLong>("latchkey_wait_seconds", &Shard::wait_nanos));
  all.push_back(seconds.operator()<kLong>("latchkey_hold_seconds", &Shard::hold_nanos));
  all.push_back(OneGauge("latchkey_waiters", static_cast<double>(gauges.waiters)));
  all.push_back(Records(gauges));
  all.push_back(DoubtAge(gauges));
  all.push_back(Lapses());
  all.push_back(seconds.operator()<kShort>("latchkey_lapse_lag_seconds", &Shard::lapse_lag_nanos));
  all.push_back(
      seconds.operator()<kLong>("latchkey_renewal_margin_seconds", &Shard::renewal_margin_nanos));
  all.push_back(counter("latchkey_stall_extensions_total", &Shard::stall_extensions));
  all.push_back(LateResults());
  all.push_back(
      counter("latchkey_duplicate_effects_suspected_total", &Shard::duplicates_suspected));
  all.push_back(numbers.operator()<buckets::kBytes>("latchkey_result_bytes", &Shard::result_bytes));
  all.push_back(
      counter("latchkey_expired_records_total", &Shard::expired_replaced, gauges.expired_records));
  all.push_back(seconds.operator()<kShort>("latchkey_commit_seconds", &Shard::commit_nanos));
  all.push_back(
      numbers.operator()<buckets::kRecords>("latchkey_commit_batch_size", &Shard::commit_records));
  all.push_back(QueueLengths(gauges));
  all.push_back(OneGauge("latchkey_sessions", static_cast<double>(gauges.sessions)));
  all.push_back(OneGauge("latchkey_fencing_token", static_cast<double>(gauges.fencing_token)));
  return all;
}

}  // namespace latchkey
