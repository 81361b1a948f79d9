// What credentials and encryption cost a session: the same flows without any, with a bearer token,
// and with a token over TLS.

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "tools/load_generator/benches.h"
#include "tools/load_generator/own_systems.h"
#include "tools/load_generator/report.h"
#include "tools/load_generator/run_program.h"
#include "tools/load_generator/turns.h"

namespace latchkey::bench {
namespace {

// What the server is started with, and the client connects with.
struct Protection {
  std::vector<std::string> flags;
  ClientOptions client;
};

absl::StatusOr<Protection> MakeProtection(const BenchOptions& options,
                                          const std::filesystem::path& directory, bool tls) {
  const std::string log = directory / "log";
  const std::string access = directory / "access";
  const auto minted = RunProgram({{options.latchkeyd, "--new-token", "bench *=use"}, log});
  if (!minted.ok()) return minted.status();
  std::ofstream(access) << minted->at(1) << "\n";
  Protection made;
  made.flags = {"--access-file=" + access};
  made.client.token = minted->at(0);
  if (!tls) return made;
  const std::string certificate = directory / "server.crt";
  const std::string key = directory / "server.key";
  const auto certified =
      RunProgram({{"/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                   "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj", "/CN=localhost",
                   "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate},
                  log});
  if (!certified.ok()) return certified.status();
  made.flags.push_back("--tls-certificate=" + certificate);
  made.flags.push_back("--tls-key=" + key);
  made.client.tls = TlsOptions{.ca_file = certificate};
  return made;
}

class GuardedServer final : public Running {
 public:
  GuardedServer(ServerProcess server, ClientOptions client)
      : server_(std::move(server)), client_(std::move(client)) {}

  absl::StatusOr<std::unique_ptr<Driver>> Connect(int concurrency) override {
    return MakeLatchkeyDriver(Transport::kSession, server_.address(), Flow::kAcquireAndRecord,
                              concurrency, client_);
  }

 private:
  ServerProcess server_;
  const ClientOptions client_;
};

System Guarded(const BenchOptions& options, const std::string& name, bool tls) {
  System system = LatchkeySystem(options, Transport::kSession, Flow::kAcquireAndRecord);
  system.name = name;
  system.start =
      [options,
       tls](const std::filesystem::path& directory) -> absl::StatusOr<std::unique_ptr<Running>> {
    auto protection = MakeProtection(options, directory, tls);
    if (!protection.ok()) return protection.status();
    auto server = StartLatchkeyd(options, directory, protection->flags);
    if (!server.ok()) return server.status();
    return std::make_unique<GuardedServer>(*std::move(server), protection->client);
  };
  return system;
}

}  // namespace

absl::Status BenchCredentials(const BenchOptions& options) {
  System open = LatchkeySystem(options, Transport::kSession, Flow::kAcquireAndRecord);
  open.name = "no credentials";
  const auto rows = MeasureInTurns(
      options, "credentials",
      {std::move(open), Guarded(options, "token", false), Guarded(options, "token, TLS", true)},
      {options.concurrency});
  if (!rows.ok()) return rows.status();
  PrintTable(*rows);
  return WriteJson(*rows, options.output + "/credentials.json");
}

}  // namespace latchkey::bench
