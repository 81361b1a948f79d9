#include "tools/load_generator/redis_system.h"

#include <string>
#include <thread>
#include <utility>

#include "tools/load_generator/own_systems.h"
#include "tools/load_generator/redis_flows.h"
#include "tools/process/child_process.h"
#include "tools/process/free_port.h"
#include "tools/process/server_process.h"

namespace latchkey::bench {
namespace {

constexpr char kRedis[] = "/usr/bin/redis-server";
constexpr std::chrono::seconds kPatience(30);
constexpr std::chrono::milliseconds kTick(20);

class RunningRedis final : public Running {
 public:
  RunningRedis(FreePort port, ChildProcess process, std::string unlock_script)
      : port_(std::move(port)),
        process_(std::move(process)),
        unlock_script_(std::move(unlock_script)) {}

  absl::StatusOr<std::unique_ptr<Driver>> Connect(int concurrency) override {
    return ConnectRedis(port_.number(), unlock_script_, concurrency);
  }

 private:
  const FreePort port_;
  ChildProcess process_;
  const std::string unlock_script_;
};

absl::StatusOr<std::unique_ptr<Running>> StartRedis(const std::filesystem::path& scratch,
                                                    const char* sync) {
  const std::filesystem::path directory = std::filesystem::absolute(scratch);
  auto port = FreePort::Take();
  if (!port.ok()) return port.status();
  const std::string log = (directory / "log").string();
  auto process = ChildProcess::Start({{kRedis, "--port", std::to_string(port->number()), "--bind",
                                       "127.0.0.1", "--dir", directory.string(), "--logfile", log,
                                       "--save", "", "--appendonly", "yes", "--appendfsync", sync},
                                      log});
  if (!process.ok()) return process.status();
  const auto until = std::chrono::steady_clock::now() + kPatience;
  auto script = LoadUnlockScript(port->number());
  while (!script.ok() && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(kTick);
    script = LoadUnlockScript(port->number());
  }
  if (!script.ok()) return absl::UnavailableError(LastLineOf(log));
  return std::make_unique<RunningRedis>(*std::move(port), *std::move(process), *std::move(script));
}

}  // namespace

System RedisSystem(RedisSync sync) {
  const bool always = sync == RedisSync::kAlways;
  System system{.name = always ? "redis-always" : "redis-everysec",
                .transport = "native",
                .version = VersionOf(kRedis),
                .durability = always ? "fdatasync before every reply (appendfsync always)"
                                     : "may lose a second (appendfsync everysec)",
                .connections_max = 0,
                .start = {}};
  system.start = [always](const std::filesystem::path& directory) {
    return StartRedis(directory, always ? "always" : "everysec");
  };
  return system;
}

}  // namespace latchkey::bench
