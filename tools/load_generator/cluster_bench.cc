// Several latchkeyd over one etcd cluster, beside etcd's own lock API and hand-written transactions
// on a cluster of the same size.

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "tools/load_generator/benches.h"
#include "tools/load_generator/chart.h"
#include "tools/load_generator/etcd_system.h"
#include "tools/load_generator/own_systems.h"
#include "tools/load_generator/report.h"
#include "tools/load_generator/turns.h"
#include "tools/process/etcd_cluster.h"

namespace latchkey::bench {
namespace {

constexpr int kSizes[] = {1, 3};

// Flows spread over servers that share a store.
class ClusterDriver final : public Driver {
 public:
  explicit ClusterDriver(std::vector<std::unique_ptr<Driver>> servers)
      : servers_(std::move(servers)) {}

  std::unique_ptr<FlowLoop> MakeLoop(int number) override {
    const auto place = static_cast<std::size_t>(number);
    return servers_[place % servers_.size()]->MakeLoop(number);
  }

 private:
  const std::vector<std::unique_ptr<Driver>> servers_;
};

class RunningCluster final : public Running {
 public:
  RunningCluster(std::unique_ptr<EtcdCluster> etcd, std::vector<ServerProcess> servers,
                 Transport transport)
      : etcd_(std::move(etcd)), servers_(std::move(servers)), transport_(transport) {}

  absl::StatusOr<std::unique_ptr<Driver>> Connect(int concurrency) override {
    std::vector<std::unique_ptr<Driver>> drivers;
    drivers.reserve(servers_.size());
    for (const ServerProcess& server : servers_) {
      drivers.push_back(
          MakeLatchkeyDriver(transport_, server.address(), Flow::kAcquireAndRecord, concurrency));
    }
    return std::make_unique<ClusterDriver>(std::move(drivers));
  }

 private:
  const std::unique_ptr<EtcdCluster> etcd_;
  std::vector<ServerProcess> servers_;
  const Transport transport_;
};

System ClusterSystem(const BenchOptions& options, Transport transport, int members, int servers) {
  System system = LatchkeySystem(options, transport, Flow::kAcquireAndRecord);
  system.name = "latchkey x" + std::to_string(servers);
  system.start =
      [=](const std::filesystem::path& directory) -> absl::StatusOr<std::unique_ptr<Running>> {
    auto etcd = EtcdCluster::Start(directory.string(), {.members = members, .hasty = false});
    if (!etcd.ok()) return etcd.status();
    std::vector<ServerProcess> started;
    for (int i = 0; i < servers; ++i) {
      auto server = ServerProcess::Start(
          {{options.latchkeyd, "--listen-address=127.0.0.1:0", "--store=" + (*etcd)->store_name(),
            "--live-records-max=100000000"},
           (directory / ("latchkeyd" + std::to_string(i) + ".log")).string()});
      if (!server.ok()) return server.status();
      started.push_back(*std::move(server));
    }
    return std::make_unique<RunningCluster>(*std::move(etcd), std::move(started), transport);
  };
  return system;
}

// Adds to ours what they are beside etcd's, and prints that.
void Compare(std::vector<Row>& rows) {
  for (Row& ours : rows) {
    if (!ours.system.starts_with("latchkey")) continue;
    for (const Row& peer : rows) {
      if (!peer.system.starts_with("etcd") || peer.part != ours.part) continue;
      const double ratio = Rate(ours) / Rate(peer);
      ours.more.emplace_back(peer.system + "_ratio", ratio);
      std::printf("%s: %s %s makes %.2f x the flows of %s\n", ours.part.c_str(),
                  ours.system.c_str(), ours.transport.c_str(), ratio, peer.system.c_str());
    }
  }
}

absl::Status Draw(const std::vector<Row>& rows, const std::string& path) {
  std::vector<Panel> panels;
  for (const int members : kSizes) {
    const std::string part = std::to_string(members) + (members == 1 ? " member" : " members");
    BarPanel panel{part + " of etcd", "flows/s", {}};
    for (const Row& row : rows) {
      if (row.part != part) continue;
      const bool ours = row.system.starts_with("latchkey");
      panel.bars.push_back({ours ? row.system + " " + row.transport : row.system, Rate(row), ours});
    }
    panels.emplace_back(panel);
  }
  return DrawChart("Lock a fresh key and record a result of 100 bytes, over etcd", panels, path);
}

}  // namespace

absl::Status BenchCluster(const BenchOptions& options) {
  std::vector<Row> rows;
  for (const int members : kSizes) {
    std::vector<System> systems = {EtcdLockSystem(members), EtcdTransactionSystem(members)};
    for (const Transport transport : kTransports) {
      if (std::ranges::count(options.transports, NameOf(transport)) == 0) continue;
      for (const int servers : kSizes) {
        systems.push_back(ClusterSystem(options, transport, members, servers));
      }
    }
    auto measured = MeasureInTurns(options, "cluster", systems, {options.concurrency});
    if (!measured.ok()) return measured.status();
    for (Row& row : *measured) {
      row.part = std::to_string(members) + (members == 1 ? " member" : " members");
      rows.push_back(std::move(row));
    }
  }
  PrintTable(rows);
  Compare(rows);
  if (auto written = WriteJson(rows, options.output + "/cluster.json"); !written.ok()) {
    return written;
  }
  return Draw(rows, options.output + "/cluster.svg");
}

}  // namespace latchkey::bench
