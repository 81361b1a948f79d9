// What metrics, credentials and encryption cost a session: the same flows without any, with metrics
// that are read, with a bearer token, with both, and with both over TLS.

#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tools/load_generator/benches.h"
#include "tools/load_generator/own_systems.h"
#include "tools/load_generator/report.h"
#include "tools/load_generator/run_program.h"
#include "tools/load_generator/scraper.h"
#include "tools/load_generator/turns.h"
#include "tools/process/free_port.h"

namespace latchkey::bench {
namespace {

struct Case {
  const char* name;
  bool metrics = false;
  bool token = false;
  bool tls = false;
};

// The second one shows what two runs of the same differ by.
constexpr Case kCases[] = {
    {.name = "neither"},
    {.name = "neither, once more"},
    {.name = "metrics", .metrics = true},
    {.name = "a token", .token = true},
    {.name = "a token and metrics", .metrics = true, .token = true},
    {.name = "a token and metrics, over TLS", .metrics = true, .token = true, .tls = true}};

// What the server is started with, and the client connects with.
struct Protection {
  std::vector<std::string> flags;
  ClientOptions client;
};

absl::Status AddToken(const BenchOptions& options, const std::filesystem::path& directory,
                      Protection& made) {
  const std::string access = directory / "access";
  const auto minted =
      RunProgram({{options.latchkeyd, "--new-token", "bench *=use"}, directory / "log"});
  if (!minted.ok()) return minted.status();
  std::ofstream(access) << minted->at(1) << "\n";
  made.flags.push_back("--access-file=" + access);
  made.client.token = minted->at(0);
  return absl::OkStatus();
}

absl::Status AddTls(const std::filesystem::path& directory, Protection& made) {
  const std::string certificate = directory / "server.crt";
  const std::string key = directory / "server.key";
  const auto certified =
      RunProgram({{"/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                   "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj", "/CN=localhost",
                   "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate},
                  directory / "log"});
  if (!certified.ok()) return certified.status();
  made.flags.push_back("--tls-certificate=" + certificate);
  made.flags.push_back("--tls-key=" + key);
  made.client.tls = TlsOptions{.ca_file = certificate};
  return absl::OkStatus();
}

class GuardedServer final : public Running {
 public:
  GuardedServer(ServerProcess server, ClientOptions client, std::unique_ptr<Scraper> scraper)
      : server_(std::move(server)), client_(std::move(client)), scraper_(std::move(scraper)) {}

  absl::StatusOr<std::unique_ptr<Driver>> Connect(int concurrency) override {
    return MakeLatchkeyDriver(Transport::kSession, server_.address(), Flow::kAcquireAndRecord,
                              concurrency, client_);
  }

 private:
  ServerProcess server_;
  const ClientOptions client_;
  const std::unique_ptr<Scraper> scraper_;
};

absl::StatusOr<std::unique_ptr<Running>> Start(const BenchOptions& options, const Case& with,
                                               const std::filesystem::path& directory) {
  Protection protection;
  if (with.token) {
    if (const auto added = AddToken(options, directory, protection); !added.ok()) return added;
  }
  if (with.tls) {
    if (const auto added = AddTls(directory, protection); !added.ok()) return added;
  }
  const auto port = FreePort::Take();
  if (!port.ok()) return port.status();
  const std::string metrics =
      with.metrics ? "127.0.0.1:" + std::to_string(port->number()) : std::string("off");
  auto server =
      StartLatchkeyd(options, directory, protection.flags, {"LATCHKEY_METRICS_ADDRESS=" + metrics});
  if (!server.ok()) return server.status();
  std::unique_ptr<Scraper> scraper;
  if (with.metrics) {
    if (const auto scraped = Scrape(port->number()); !scraped.ok()) return scraped;
    scraper = std::make_unique<Scraper>(port->number());
  }
  return std::make_unique<GuardedServer>(*std::move(server), protection.client, std::move(scraper));
}

}  // namespace

absl::Status BenchCredentials(const BenchOptions& options) {
  std::vector<System> systems;
  for (const Case& with : kCases) {
    System system = LatchkeySystem(options, Transport::kSession, Flow::kAcquireAndRecord);
    system.name = with.name;
    system.start = [options, with](const std::filesystem::path& directory) {
      return Start(options, with, directory);
    };
    systems.push_back(std::move(system));
  }
  auto rows = MeasureInTurns(options, "credentials", systems, {options.concurrency});
  if (!rows.ok()) return rows.status();
  for (Row& row : *rows) {
    row.part = std::exchange(row.system, "latchkey");
  }
  std::printf(
      "Sessions, %d flows in flight, medians of %d repetitions. Wanted with a token and "
      "metrics: 95%% of the first row.\n",
      options.concurrency, options.repetitions);
  PrintBesideFirst("a session with", *rows);
  return WriteJson(*rows, options.output + "/credentials.json");
}

}  // namespace latchkey::bench
