#include "tools/load_generator/own_systems.h"

#include <algorithm>
#include <utility>

#include "tools/load_generator/run_program.h"
#include <grpcpp/grpcpp.h>

namespace latchkey::bench {
namespace {

constexpr char kAnyPort[] = "--listen-address=127.0.0.1:0";
constexpr char kDurability[] = "fdatasync before every reply";

class RunningServer final : public Running {
 public:
  RunningServer(ServerProcess server, Transport transport, Flow flow)
      : server_(std::move(server)), transport_(transport), flow_(flow) {}

  absl::StatusOr<std::unique_ptr<Driver>> Connect(int concurrency) override {
    return MakeLatchkeyDriver(transport_, server_.address(), flow_, concurrency);
  }

 private:
  ServerProcess server_;
  const Transport transport_;
  const Flow flow_;
};

}  // namespace

absl::StatusOr<ServerProcess> StartLatchkeyd(const BenchOptions& options,
                                             const std::filesystem::path& directory,
                                             const std::vector<std::string>& more,
                                             const std::vector<std::string>& environment) {
  std::vector<std::string> command = {options.latchkeyd, kAnyPort,
                                      "--store=rocksdb:" + (directory / "store").string(),
                                      "--live-records-max=100000000"};
  command.insert(command.end(), more.begin(), more.end());
  return ServerProcess::Start({command, (directory / "log").string(), environment});
}

System EchoSystem(const BenchOptions& options) {
  System system{.name = "echo",
                .transport = NameOf(Transport::kUnary),
                .version = "gRPC " + grpc::Version(),
                .durability = "stores nothing",
                .connections_max = 0,
                .start = {}};
  system.start =
      [options](
          const std::filesystem::path& directory) -> absl::StatusOr<std::unique_ptr<Running>> {
    auto server = ServerProcess::Start({{options.echo, kAnyPort}, (directory / "log").string()});
    if (!server.ok()) return server.status();
    return std::make_unique<RunningServer>(*std::move(server), Transport::kUnary, Flow::kAcquire);
  };
  return system;
}

System LatchkeySystem(const BenchOptions& options, Transport transport, Flow flow) {
  System system{.name = "latchkey",
                .transport = NameOf(transport),
                .version = VersionOf(options.latchkeyd),
                .durability = kDurability,
                .connections_max = 0,
                .start = {}};
  system.start =
      [options, transport,
       flow](const std::filesystem::path& directory) -> absl::StatusOr<std::unique_ptr<Running>> {
    auto server = StartLatchkeyd(options, directory);
    if (!server.ok()) return server.status();
    return std::make_unique<RunningServer>(*std::move(server), transport, flow);
  };
  return system;
}

std::vector<System> LatchkeySystems(const BenchOptions& options) {
  std::vector<System> systems;
  for (const Transport transport : kTransports) {
    if (std::ranges::count(options.transports, NameOf(transport)) == 0) continue;
    systems.push_back(LatchkeySystem(options, transport, Flow::kAcquireAndRecord));
  }
  return systems;
}

FreshServer::FreshServer(const BenchOptions& options, const std::vector<std::string>& flags)
    : scratch(options.output), process(StartLatchkeyd(options, scratch.path(), flags)) {}

Row LatchkeyRow(const BenchOptions& options, const std::string& bench, const std::string& part,
                Transport transport) {
  Row row;
  row.bench = bench;
  row.part = part;
  row.system = "latchkey";
  row.version = VersionOf(options.latchkeyd);
  row.transport = NameOf(transport);
  row.durability = kDurability;
  return row;
}

std::string VersionOf(const std::string& program, const std::string& flag) {
  const auto lines = RunProgram({{program, flag}, "/dev/null"});
  if (!lines.ok() || lines->empty()) return "";
  const std::string& said = lines->front();
  const std::size_t begin = said.find_first_of("0123456789");
  if (begin == std::string::npos) return "";
  return said.substr(begin, said.find_first_not_of("0123456789.", begin) - begin);
}

}  // namespace latchkey::bench
