// Latchkey beside what people use instead: etcd, PostgreSQL and Redis, each driven as well as we
// know how.

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/load_generator/benches.h"
#include "tools/load_generator/chart.h"
#include "tools/load_generator/etcd_system.h"
#include "tools/load_generator/own_systems.h"
#include "tools/load_generator/postgresql_system.h"
#include "tools/load_generator/redis_system.h"
#include "tools/load_generator/report.h"
#include "tools/load_generator/turns.h"

namespace latchkey::bench {
namespace {

constexpr int kMany = 256;

// Flows a second of a peer that is driven well, measured where the echo made kEchoRate calls.
struct WellDriven {
  std::string_view system;
  double many;  // kMany in flight
  double one;   // one in flight
};
constexpr double kEchoRate = 58'000;
constexpr std::array<WellDriven, 5> kWellDriven = {{{"etcd-lock", 4'100, 700},
                                                    {"etcd-txn", 5'800, 1'300},
                                                    {"postgresql", 12'500, 2'500},
                                                    {"redis-always", 20'000, 1'600},
                                                    {"redis-everysec", 28'000, 3'300}}};
// Below this share of it, what was measured says more about the driving than about the peer.
constexpr double kShareMin = 0.8;
// A peer that took this share of all processors was given the machine, and left little of it to its
// client: what it made then is what it makes here.
constexpr double kBusyShare = 0.7;

double Rate(const Row& row) { return Median(Collect(row, &Measurement::operations_per_second)); }

bool IsOurs(const Row& row) { return row.system == "latchkey"; }

double EchoRate(const std::vector<Row>& rows) {
  const auto echo = std::ranges::find_if(
      rows, [](const Row& row) { return row.system == "echo" && row.concurrency == kMany; });
  return echo == rows.end() ? kEchoRate : Rate(*echo);
}

// How much of what it should a peer does; empty for what is not known.
std::optional<double> ShareOfWellDriven(const Row& row, double echo_rate) {
  const auto known = std::ranges::find(kWellDriven, row.system, &WellDriven::system);
  if (known == kWellDriven.end()) return std::nullopt;
  const double scale = echo_rate / kEchoRate;
  // The echo says how fast the machine computes. One flow at a time mostly waits for the disk,
  // which need not be faster on a faster machine.
  const double wanted =
      row.concurrency == 1 ? known->one * std::min(1.0, scale) : known->many * scale;
  return Rate(row) / wanted;
}

// Adds to each row what it is beside ours, and prints that.
void Compare(std::vector<Row>& rows) {
  for (Row& row : rows) {
    if (IsOurs(row) || row.system == "echo") continue;
    for (const Row& ours : rows) {
      if (!IsOurs(ours) || ours.concurrency != row.concurrency) continue;
      const double ratio = Rate(ours) / Rate(row);
      row.more.emplace_back("latchkey_" + ours.transport + "_ratio", ratio);
      std::printf("%d in flight: latchkey %s makes %.2f x the flows of %s\n", row.concurrency,
                  ours.transport.c_str(), ratio, row.system.c_str());
    }
  }
}

// Says which peers fall short of what they can do; FAILED_PRECONDITION if any does.
absl::Status CheckDriving(std::vector<Row>& rows) {
  const double echo_rate = EchoRate(rows);
  std::string short_of;
  for (Row& row : rows) {
    const auto share = ShareOfWellDriven(row, echo_rate);
    if (!share.has_value()) continue;
    row.more.emplace_back("share_of_well_driven", *share);
    const double busy = Median(Collect(row, &Measurement::cpu_share));
    const bool badly_driven = *share < kShareMin && busy < kBusyShare;
    std::printf(
        "%d in flight: %s makes %.0f%% of the flows that it should here, with %.0f%% of all "
        "processors%s\n",
        row.concurrency, row.system.c_str(), 100 * *share, 100 * busy,
        badly_driven ? ": BADLY DRIVEN" : "");
    if (badly_driven) short_of += " " + row.system + " at " + std::to_string(row.concurrency) + ";";
  }
  if (short_of.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError("badly driven, so their figures mean nothing:" + short_of);
}

absl::Status Draw(const std::vector<Row>& rows, const std::vector<int>& concurrencies,
                  const std::string& path) {
  std::vector<Panel> panels;
  for (const int concurrency : concurrencies) {
    BarPanel panel{std::to_string(concurrency) + " in flight", "flows/s", {}};
    for (const Row& row : rows) {
      if (row.concurrency != concurrency || row.system == "echo") continue;
      const std::string name = IsOurs(row) ? row.system + " " + row.transport : row.system;
      panel.bars.push_back({name, Rate(row), IsOurs(row)});
    }
    panels.emplace_back(panel);
  }
  return DrawChart(
      "Lock a fresh key and record a result of 100 bytes (redis-everysec may lose a second)",
      panels, path);
}

}  // namespace

absl::Status BenchPeers(const BenchOptions& options) {
  std::vector<System> systems = LatchkeySystems(options);
  systems.push_back(EchoSystem(options));
  systems.push_back(EtcdLockSystem());
  systems.push_back(EtcdTransactionSystem());
  systems.push_back(PostgresqlSystem(PostgresqlSocket::kUnix));
  systems.push_back(PostgresqlSystem(PostgresqlSocket::kTcp));
  systems.push_back(RedisSystem(RedisSync::kAlways));
  systems.push_back(RedisSystem(RedisSync::kEverySecond));
  const std::vector<int> concurrencies = {kMany, 1};
  auto rows = MeasureInTurns(options, "peers", systems, concurrencies);
  if (!rows.ok()) return rows.status();
  PrintTable(*rows);
  Compare(*rows);
  // A quick run measures nothing, so it has nothing to say about the driving.
  absl::Status driving = options.quick ? absl::OkStatus() : CheckDriving(*rows);
  if (auto done = WriteJson(*rows, options.output + "/peers.json"); !done.ok()) return done;
  if (auto done = Draw(*rows, concurrencies, options.output + "/peers.svg"); !done.ok())
    return done;
  return driving;
}

}  // namespace latchkey::bench
