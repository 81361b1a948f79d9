#include "tools/load_generator/hand_offs.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include "tools/load_generator/report.h"
#include "tools/load_generator/scratch.h"
#include "tools/load_generator/server_counts.h"

namespace latchkey::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::seconds kWait(60);  // the longest that the server allows
constexpr std::chrono::seconds kArrivalPatience(60);
// Sent before it is looked whether they have arrived, so that the server's queues do not overflow.
constexpr int kWave = 5'000;

// The waits, and what has become of them.
class Waits {
 public:
  Waits(Caller& caller, int total) : caller_(caller), total_(total) {}

  void Send(const std::string& key, int number) {
    caller_.Acquire({.key = key,
                     .attempt_id = "waiter:" + std::to_string(number),
                     .wait = std::chrono::milliseconds(kWait)},
                    [this, key](const absl::StatusOr<std::uint64_t>& token) {
                      if (token.ok()) return Granted({key, *token});
                      Ended(token.status(), /*granted=*/false);
                    });
  }

  // Waits until every wait has ended, and the key that it got was given on.
  absl::Status AwaitAll(HandOffs& result) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ended_ == total_; });
    result.count = granted_;
    result.in_vain = in_vain_;
    return first_error_;
  }

 private:
  void Granted(const Lease& lease) {
    caller_.Release(lease, [this](const absl::Status& status) { Ended(status, /*granted=*/true); });
  }

  void Ended(const absl::Status& status, bool granted) {
    const std::lock_guard lock(mutex_);
    ++ended_;
    if (granted) ++granted_;
    if (absl::IsNotFound(status)) {
      ++in_vain_;
    } else if (first_error_.ok()) {
      first_error_ = status;
    }
    if (ended_ == total_) changed_.notify_all();
  }

  Caller& caller_;
  const int total_;
  std::mutex mutex_;
  std::condition_variable changed_;
  // All under mutex_.
  int ended_ = 0;
  std::uint64_t granted_ = 0;
  std::uint64_t in_vain_ = 0;
  absl::Status first_error_;
};

}  // namespace

absl::StatusOr<HandOffs> MeasureHandOffs(ServerProcess& server, Caller& caller, int keys,
                                         int waiters) {
  const std::string prefix = "hot" + std::to_string(keys);
  const auto held = AcquireMany(caller, prefix, keys, [] { return AcquireOptions().lease; });
  if (!held.ok()) return held.status();
  const ServerCounts counts(server.address());
  const auto before = ResidentBytes(server);
  const int total = keys * waiters;
  Waits waits(caller, total);
  absl::Status arrived;
  for (int sent = 0; sent < total; ++sent) {
    if (sent % kWave == 0 && arrived.ok()) {
      ShowProgress("contention: " + std::to_string(sent) + " of " + std::to_string(total) +
                   " waiters have arrived");
      arrived = counts.Await(&ServerCounts::Counts::waiters, sent, kArrivalPatience);
    }
    waits.Send((*held)[static_cast<std::size_t>(sent % keys)].key, sent);
  }
  if (arrived.ok()) {
    arrived = counts.Await(&ServerCounts::Counts::waiters, total, kArrivalPatience);
  }
  HandOffs result;
  result.bytes_per_waiter = static_cast<double>(ResidentBytes(server) - before) / total;

  ShowProgress("contention: hand-offs");
  const auto begin = SteadyClock::now();
  for (const Lease& lease : *held) {
    caller.Release(lease, [](const absl::Status&) {});
  }
  auto ended = waits.AwaitAll(result);
  const std::chrono::duration<double> took = SteadyClock::now() - begin;
  ShowProgress("");
  if (!arrived.ok()) return arrived;
  if (!ended.ok()) return ended;
  result.per_second = static_cast<double>(result.count) / took.count();
  return result;
}

}  // namespace latchkey::bench
