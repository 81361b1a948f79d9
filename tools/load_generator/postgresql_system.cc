#include "tools/load_generator/postgresql_system.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tools/load_generator/own_systems.h"
#include "tools/load_generator/postgresql_flows.h"
#include "tools/load_generator/run_program.h"
#include "tools/process/child_process.h"
#include "tools/process/free_port.h"
#include "tools/process/server_process.h"

namespace latchkey::bench {
namespace {

constexpr char kInstalled[] = "/usr/lib/postgresql";
constexpr char kUser[] = "postgres";
constexpr int kConnectionsMax = 64;
constexpr std::chrono::seconds kPatience(60);
constexpr std::chrono::milliseconds kTick(50);

// The directory of the newest version's programs; empty if there is none.
std::filesystem::path Programs() {
  std::filesystem::path newest;
  std::error_code ignored;
  for (const auto& version : std::filesystem::directory_iterator(kInstalled, ignored)) {
    newest = std::max(newest, version.path());
  }
  return newest.empty() ? newest : newest / "bin";
}

// PostgreSQL refuses to be root. Its own user may be kept out of the directories above `directory`
// and so is allowed to pass them; and it ends when we do, which a change of user would undo.
absl::StatusOr<std::vector<std::string>> AsItsUser(const std::filesystem::path& directory,
                                                   std::vector<std::string> command) {
  if (geteuid() != 0) return command;
  const passwd* user = getpwnam(kUser);
  if (user == nullptr || chown(directory.c_str(), user->pw_uid, user->pw_gid) != 0)
    return absl::UnavailableError("there is no user postgres to run PostgreSQL as");
  std::vector<std::string> words = {"/usr/bin/setpriv",
                                    std::string("--reuid=") + kUser,
                                    std::string("--regid=") + kUser,
                                    "--clear-groups",
                                    "--inh-caps=-all,+dac_read_search",
                                    "--ambient-caps=-all,+dac_read_search",
                                    "--pdeathsig=QUIT",
                                    "--"};
  words.insert(words.end(), std::make_move_iterator(command.begin()),
               std::make_move_iterator(command.end()));
  return words;
}

absl::Status MakeCluster(const std::filesystem::path& directory, const std::string& log) {
  const auto command = AsItsUser(
      directory, {(Programs() / "initdb").string(), "--pgdata=" + (directory / "data").string(),
                  "--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale"});
  if (!command.ok()) return command.status();
  return RunProgram({*command, log}).status();
}

class RunningPostgresql final : public Running {
 public:
  RunningPostgresql(ChildProcess process, std::string server)
      : process_(std::move(process)), server_(std::move(server)) {}
  // Killed, it would leave shared memory behind.
  ~RunningPostgresql() override { process_.Stop(kPatience); }

  absl::StatusOr<std::unique_ptr<Driver>> Connect(int concurrency) override {
    return ConnectPostgresql(server_, concurrency);
  }

 private:
  ChildProcess process_;
  const std::string server_;
};

absl::StatusOr<std::unique_ptr<Running>> StartPostgresql(const std::filesystem::path& scratch,
                                                         PostgresqlSocket kind) {
  const std::filesystem::path directory = std::filesystem::absolute(scratch);
  const std::string log = (directory / "log").string();
  if (auto made = MakeCluster(directory, log); !made.ok()) return made;
  // A socket without a file, whose name could be too long for one.
  const std::string socket =
      "@latchkey-" + directory.filename().string() + "-" + std::to_string(getpid());
  const bool tcp = kind == PostgresqlSocket::kTcp;
  const auto free_port = FreePort::Take();
  if (!free_port.ok()) return free_port.status();
  const std::string port = std::to_string(free_port->number());
  const auto command = AsItsUser(
      directory, {(Programs() / "postgres").string(), "-D", (directory / "data").string(), "-c",
                  tcp ? "listen_addresses=127.0.0.1" : "listen_addresses=", "-c", "port=" + port,
                  "-c", "unix_socket_directories=" + (tcp ? "" : socket), "-c",
                  "synchronous_commit=on", "-c", "fsync=on", "-c", "log_min_messages=warning"});
  if (!command.ok()) return command.status();
  auto process = ChildProcess::Start({*command, log});
  if (!process.ok()) return process.status();
  const std::string server =
      "host=" + (tcp ? "127.0.0.1" : socket) + " port=" + port + " user=postgres dbname=postgres";
  auto running = std::make_unique<RunningPostgresql>(*std::move(process), server);
  const auto until = std::chrono::steady_clock::now() + kPatience;
  auto prepared = PreparePostgresql(server);
  while (!prepared.ok() && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(kTick);
    prepared = PreparePostgresql(server);
  }
  if (!prepared.ok()) return absl::UnavailableError(LastLineOf(log));
  return running;
}

}  // namespace

System PostgresqlSystem(PostgresqlSocket kind) {
  return {.name = kind == PostgresqlSocket::kTcp ? "postgresql-tcp" : "postgresql",
          .transport = "native",
          .version = VersionOf((Programs() / "postgres").string()),
          .durability = "fdatasync before every reply (synchronous_commit=on)",
          .connections_max = kConnectionsMax,
          .start = [kind](const std::filesystem::path& scratch) {
            return StartPostgresql(scratch, kind);
          }};
}

}  // namespace latchkey::bench
