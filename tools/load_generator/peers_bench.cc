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
// Where peer and client together took this share of all processors there was nothing left to be
// driven with.
constexpr double kBusyShare = 0.85;

bool IsOurs(const Row& row) { return row.system == "latchkey"; }

double EchoRate(const std::vector<Row>& rows) {
  const auto echo = std::ranges::find_if(
      rows, [](const Row& row) { return row.system == "echo" && row.concurrency == kMany; });
  return echo == rows.end() ? kEchoRate : Rate(*echo);
}

// How a peer did beside what is known of it, on a machine that computes as fast as the echo says.
struct Driving {
  double share = 0;          // of what it makes where it is driven well
  double share_at_most = 0;  // the same, if a faster machine helps the echo alone
  double busy = 0;           // peer and client, of all processors

  bool bad() const { return share < kShareMin && (share_at_most < kShareMin || busy < kBusyShare); }
};

// Empty for what is not known.
std::optional<Driving> DrivingOf(const Row& row, double echo_rate) {
  const auto known = std::ranges::find(kWellDriven, row.system, &WellDriven::system);
  if (known == kWellDriven.end()) return std::nullopt;
  const double scale = echo_rate / kEchoRate;
  const double scale_at_most = std::min(1.0, scale);
  Driving driving;
  driving.busy = Median(Collect(row, &Measurement::cpu_share)) +
                 Median(Collect(row, &Measurement::client_cpu_share));
  const double wanted = row.concurrency == 1 ? known->one : known->many;
  driving.share_at_most = Rate(row) / (wanted * scale_at_most);
  // One flow at a time mostly waits for the disk, which need not be faster on a faster machine.
  driving.share = row.concurrency == 1 ? driving.share_at_most : Rate(row) / (wanted * scale);
  return driving;
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
    const auto driving = DrivingOf(row, echo_rate);
    if (!driving.has_value()) continue;
    row.more.emplace_back("share_of_well_driven", driving->share);
    row.more.emplace_back("share_of_well_driven_at_most", driving->share_at_most);
    std::printf(
        "%d in flight: %s makes %.0f%% of the flows that it should here (%.0f%% without a faster "
        "machine), %.0f%% of all processors busy%s\n",
        row.concurrency, row.system.c_str(), 100 * driving->share, 100 * driving->share_at_most,
        100 * driving->busy, driving->bad() ? ": BADLY DRIVEN" : "");
    if (driving->bad()) {
      short_of += " " + row.system + " at " + std::to_string(row.concurrency) + ";";
    }
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
