// What it costs to hold many leases: threads, and share of a core, over the real server.
//   client_leases_bench [LEASES [SECONDS]]
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <iterator>
#include <string>
#include <vector>

#include "latchkey/client.h"
#include "latchkeyd_process.h"

namespace latchkey {
namespace {

double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

auto Threads() { return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {}); }

int Run(int count, int duration) {
  const LatchkeydProcess latchkeyd("memory:");
  Client client = Client::Connect(latchkeyd.address());
  std::vector<std::future<AcquireAnswer>> answers;
  answers.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    answers.push_back(AsFuture(client, &Client::AcquireLockAsync, "lease:" + std::to_string(i),
                               AcquireOptions{.on_lapse = OnLapse::kForget}));
  }
  std::vector<AcquireAnswer> leases;
  for (auto& answer : answers) leases.push_back(answer.get());
  // One call that waits, in the place of a sleep.
  const auto wait = [&](int seconds) {
    (void)client.CheckResult("lease:0", {.wait_timeout = std::chrono::seconds(seconds)});
  };
  wait(10);
  const double before = CpuSeconds();
  wait(duration);
  const double used = CpuSeconds() - before;
  int held = 0;
  for (const AcquireAnswer& answer : leases) {
    const Lease* const lease = std::get_if<Lease>(&answer);
    if (lease != nullptr && lease->state() == LeaseState::kHeld) ++held;
  }
  std::printf("leases=%d held=%d lease=30s threads=%td seconds=%d cpu_seconds=%.2f core=%.2f%%\n",
              count, held, Threads(), duration, used, 100 * used / duration);
  std::fflush(stdout);
  _Exit(held == count ? 0 : 1);  // Giving back one after the other would take long.
}

}  // namespace
}  // namespace latchkey

int main(int argc, char** argv) {
  return latchkey::Run(argc > 1 ? std::atoi(argv[1]) : 10'000, argc > 2 ? std::atoi(argv[2]) : 30);
}
