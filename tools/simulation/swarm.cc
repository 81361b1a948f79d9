#include "tools/simulation/swarm.h"

#include <cstdio>

namespace latchkey::simulation {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""us;

// Zero in two draws of five.
double Rate(Random& random, double most) {
  const bool none = random.Chance(0.4);
  const double share = static_cast<double>(1 + random.Below(10)) / 10;
  return none ? 0 : most * share * share;
}

Duration MeanTime(Random& random, Duration least, Duration most) {
  const bool never = random.Chance(0.4);
  const Duration mean = random.LogBetween(least, most);
  return never ? Duration::zero() : mean;
}

void DrawNetwork(Random& random, Swarm& swarm) {
  swarm.latency_max = random.OneOf({300us, 2'000us, 20'000us, 80'000us});
  swarm.late = Rate(random, 0.05);
  swarm.late_max = random.OneOf<Duration>({200ms, 1s, 5s});
  swarm.lost = Rate(random, 0.03);
  swarm.duplicated = Rate(random, 0.10);
  swarm.cut = Rate(random, 0.02);
}

void DrawStore(Random& random, Swarm& swarm) {
  swarm.store_fails_before = Rate(random, 0.002);
  swarm.store_fails_after = Rate(random, 0.002);
  swarm.store_slow = Rate(random, 0.03);
  swarm.store_slow_max = random.OneOf<Duration>({50ms, 700ms, 2s});
  swarm.crash_before_store = Rate(random, 0.002);
  swarm.crash_in_store = Rate(random, 0.004);
  swarm.crash_after_store = Rate(random, 0.004);
  swarm.sync_max = random.OneOf<Duration>({200us, 1ms, 10ms});
}

void DrawProcesses(Random& random, Swarm& swarm) {
  swarm.server_killed = MeanTime(random, 3s, 30s);
  swarm.server_stopped = MeanTime(random, 10s, 60s);
  swarm.server_paused = MeanTime(random, 3s, 30s);
  swarm.pause_max = random.OneOf<Duration>({400ms, 1'500ms, 6s});
  swarm.caller_killed = MeanTime(random, 3s, 30s);
  swarm.caller_quits = MeanTime(random, 10s, 60s);
  swarm.caller_paused = MeanTime(random, 3s, 30s);
  swarm.wall_stepped = MeanTime(random, 5s, 60s);
  swarm.wall_step_max = random.OneOf<Duration>({5s, 30 * 60s, 3 * 3600s});
  swarm.disk_fills = random.Chance(0.2);
  swarm.drift_ppm_max = random.OneOf({0, 100, 4'500});
}

void DrawWorkload(Random& random, Swarm& swarm) {
  // Most runs are short, so that there are many: what a seed draws counts for more than its time.
  swarm.length = random.LogBetween(3s, 40s);
  swarm.partitions = random.OneOf({1, 1, 2, 3});
  swarm.payers = static_cast<int>(1 + random.Below(4));
  swarm.raw_callers = static_cast<int>(random.Below(4));
  swarm.works = static_cast<int>(1 + random.Below(3));
  swarm.payment_keys = static_cast<int>(1 + random.Below(8));
  swarm.arena_keys = static_cast<int>(1 + random.Below(4));
  swarm.lease_min = random.OneOf({100ms, 300ms, 1'000ms});
  swarm.lease_max = random.OneOf({1'000ms, 3'000ms, 5'000ms});
  swarm.short_retention = random.Chance(0.3);
  swarm.reply_budget_bytes = random.OneOf<std::size_t>({16 * 1024, 64 * 1024 * 1024});
  swarm.batch_calls = random.OneOf<std::size_t>({2, 16, 4'096});
  swarm.frame_bytes = random.OneOf<std::size_t>({600, 1024 * 1024});
  swarm.session_calls = random.OneOf<std::size_t>({5, 65'536, 65'536});
  swarm.queued_calls = random.OneOf<std::size_t>({3, 65'536, 65'536, 65'536});
}

void Append(std::string& text, const char* name, double value) {
  char part[64];
  if (value == 0) return;
  std::snprintf(part, sizeof(part), " %s=%g", name, value);
  text += part;
}

void Append(std::string& text, const char* name, Duration value) {
  Append(text, name, std::chrono::duration<double>(value).count());
}

}  // namespace

Swarm Swarm::Draw(Random& random) {
  Swarm swarm;
  DrawNetwork(random, swarm);
  DrawStore(random, swarm);
  DrawProcesses(random, swarm);
  DrawWorkload(random, swarm);
  return swarm;
}

void Swarm::Heal() {
  const int drift = drift_ppm_max;
  static_cast<Faults&>(*this) = Faults();
  drift_ppm_max = drift;
}

std::string Swarm::Describe() const {
  std::string text;
  Append(text, "late", late);
  Append(text, "lost", lost);
  Append(text, "duplicated", duplicated);
  Append(text, "cut", cut);
  Append(text, "store_fails_before", store_fails_before);
  Append(text, "store_fails_after", store_fails_after);
  Append(text, "store_slow", store_slow);
  Append(text, "crash_before_store", crash_before_store);
  Append(text, "crash_in_store", crash_in_store);
  Append(text, "crash_after_store", crash_after_store);
  Append(text, "server_killed", server_killed);
  Append(text, "server_stopped", server_stopped);
  Append(text, "server_paused", server_paused);
  Append(text, "caller_killed", caller_killed);
  Append(text, "caller_quits", caller_quits);
  Append(text, "caller_paused", caller_paused);
  Append(text, "wall_stepped", wall_stepped);
  Append(text, "disk_fills", disk_fills ? 1.0 : 0.0);
  Append(text, "drift_ppm", drift_ppm_max);
  Append(text, "partitions", partitions);
  return text.empty() ? " none" : text;
}

}  // namespace latchkey::simulation
