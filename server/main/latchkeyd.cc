// The Latchkey server: reads settings, opens the store, serves until it is told to stop or the
// store fails.

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <variant>

#include "base/clock.h"
#include "server/main/credentials.h"
#include "server/main/event_log.h"
#include "server/main/listen_check.h"
#include "server/main/open_store.h"
#include "server/main/reload.h"
#include "server/main/settings.h"
#include "server/metrics/monitoring.h"
#include "server/metrics/server_metrics.h"
#include "server/service/server.h"
#include <spdlog/spdlog.h>

namespace latchkey {
namespace {

constexpr int kExitCannotStart = 2;
constexpr int kExitStoreFailed = 3;
// After the store has failed: how long calls in flight get to hear of it. The contract allows 10 s.
constexpr Duration kFailureDrain = std::chrono::seconds(2);
// By then the process is gone, however hung the disk is: nothing below waits with a bound of its
// own.
constexpr Duration kFailureExit = std::chrono::seconds(7);

// What the store asks, while it compacts, about records that may have expired. The answer is no
// until the server knows, and again when it is gone.
std::atomic<const Retention*> retention_of_store = nullptr;

storage::Expired Expire(std::string_view store_key, storage::Record& record) {
  const Retention* retention = retention_of_store.load();
  return retention == nullptr ? storage::Expired::kNothing : retention->Expire(store_key, record);
}

void ExitSoon() {
  std::thread([] {
    std::this_thread::sleep_for(kFailureExit);
    ::_exit(kExitStoreFailed);
  }).detach();
}

// Signals are taken by WaitForEnd alone, so every thread must be born with them blocked.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

// Returns when a signal asks for the end, or the store has failed.
void WaitForEnd(const sigset_t& signals, const Server& server, Reload& reload) {
  constexpr timespec kLook{0, 100'000'000};
  constexpr int kLooksPerRound = 10;
  for (int looks = 1; !server.failed(); ++looks) {
    const int signal = sigtimedwait(&signals, nullptr, &kLook);
    if (signal == SIGHUP) {
      reload.Everything();
    } else if (signal < 0) {
      if (looks % kLooksPerRound == 0) reload.LookAtCertificates();
    } else {
      spdlog::info("event=shutdown_begins signal={}", signal);
      return;
    }
  }
}

int CannotStart(const absl::Status& why) {
  std::fprintf(stderr, "latchkeyd: %s\n", std::string(why.message()).c_str());
  return kExitCannotStart;
}

// Null where nobody is to look. Counts nothing by itself.
absl::StatusOr<std::unique_ptr<Monitoring>> StartMonitoring(const std::string& address,
                                                            const ServerMetrics& metrics) {
  if (address.empty()) return nullptr;
  if (auto free = CheckListenAddress(address, "metrics_address"); !free.ok()) return free;
  return Monitoring::Start(address, metrics);
}

// For whoever started it, and for tests that let it choose its ports.
void SayWhere(const Settings& settings, const Server& server, const Monitoring* monitoring) {
  spdlog::info("event=serving port={} store=\"{}\" version={}", server.port(), settings.store,
               LATCHKEY_VERSION);
  const std::string host =
      settings.server.listen_address.substr(0, settings.server.listen_address.rfind(':'));
  std::printf("latchkeyd is serving on %s:%d\n", host.c_str(), server.port());
  if (monitoring != nullptr) {
    spdlog::info("event=monitoring address={}", monitoring->address());
    std::printf("latchkeyd shows its metrics on http://%s/metrics\n",
                monitoring->address().c_str());
  }
  std::fflush(stdout);
}

int Serve(int argc, const char* const* argv, Settings settings) {
  const sigset_t signals = BlockSignals();
  // Before the store is opened, so that a port in use leaves nothing behind.
  if (auto free = CheckListenAddress(settings.server.listen_address); !free.ok()) {
    return CannotStart(free);
  }
  SystemClock clock;
  auto credentials = LoadCredentials(settings, clock);
  if (!credentials.ok()) return CannotStart(credentials.status());
  settings.server.access = credentials->access;
  if (credentials->tls != nullptr) {
    settings.server.credentials = credentials->tls->MakeCredentials();
  }
  ServerMetrics metrics(settings.server.namespaces);
  auto monitoring = StartMonitoring(settings.metrics_address, metrics);
  if (!monitoring.ok()) return CannotStart(monitoring.status());
  auto store = OpenStore(settings, clock, Expire);
  if (!store.ok()) return CannotStart(store.status());
  StartLog(settings.log_level);
  EventLog event_log(settings.log_keys);
  ServerOptions options = settings.server;
  if (*monitoring != nullptr) options.meter = &metrics;
  auto started = Server::Start(
      std::move(options), *std::move(store), clock, event_log, [](const std::string& why) {
        ExitSoon();  // first: the log may block, too
        spdlog::error(
            "event=store_failed why=\"{}\" hint=\"free disk space or replace "
            "the disk, then start latchkeyd again; nothing acknowledged is "
            "lost\"",
            why);
      });
  if (!started.ok()) return CannotStart(started.status());
  Server& server = **started;
  retention_of_store = &server.retention();
  if (*monitoring != nullptr) (*monitoring)->Watch(server);
  SayWhere(settings, server, monitoring->get());

  Reload reload(argc, argv, settings, server, credentials->tls.get());
  WaitForEnd(signals, server, reload);
  const bool failed = server.failed();
  const absl::Status ended = server.Shutdown(failed ? kFailureDrain : settings.drain_timeout);
  monitoring->reset();
  retention_of_store = nullptr;
  if (server.failed() || !ended.ok()) {
    spdlog::error("event=ended exit_code={}", kExitStoreFailed);
    return kExitStoreFailed;
  }
  spdlog::info("event=ended exit_code=0");
  return 0;
}

}  // namespace
}  // namespace latchkey

int main(int argc, char** argv) {
  auto read = latchkey::ReadSettings(argc, argv);
  if (!read.ok()) return latchkey::CannotStart(read.status());
  if (const auto* text = std::get_if<std::string>(&*read)) {
    std::fputs(text->c_str(), stdout);
    return 0;
  }
  return latchkey::Serve(argc, argv, std::get<latchkey::Settings>(*std::move(read)));
}
