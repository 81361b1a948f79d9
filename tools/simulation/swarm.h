// What goes wrong in a run, and how often: drawn for each seed, with zero among the choices,
// because a fault that is always there hides what happens without it ("swarm testing", Groce et
// al., 2012).
#pragma once

#include <string>

#include "base/time.h"
#include "tools/simulation/random.h"

namespace latchkey::simulation {

struct Faults {
  // Of each message. Those of a stream keep their order; others overtake each other.
  Duration latency_min = std::chrono::microseconds(100);
  Duration latency_max = std::chrono::milliseconds(2);
  double late = 0;  // held up for up to `late_max`
  Duration late_max = Duration::zero();
  double lost = 0;        // a unary call's message is; a stream breaks with it
  double duplicated = 0;  // a unary call's request arrives twice
  double cut = 0;         // the stream breaks after this frame, in one direction first

  // Of each call to the store.
  double store_fails_before = 0;  // nothing of it has happened
  double store_fails_after = 0;   // it has, and the answer is lost
  double store_slow = 0;
  Duration store_slow_max = Duration::zero();
  double crash_before_store = 0;
  double crash_in_store = 0;  // what was not synced is lost, or torn
  double crash_after_store = 0;
  Duration sync_min = std::chrono::microseconds(100);
  Duration sync_max = std::chrono::milliseconds(1);

  // Mean times between; zero: never.
  Duration server_killed = Duration::zero();
  Duration server_stopped = Duration::zero();
  Duration server_paused = Duration::zero();
  Duration pause_max = Duration::zero();
  Duration caller_killed = Duration::zero();
  Duration caller_quits = Duration::zero();
  Duration caller_paused = Duration::zero();
  Duration wall_stepped = Duration::zero();
  Duration wall_step_max = Duration::zero();
  bool disk_fills = false;
  // Of each host's clock against the others.
  int drift_ppm_max = 0;
};

// What callers do, and the settings of the server.
struct Workload {
  Duration length = std::chrono::seconds(30);
  int partitions = 1;
  int payers = 3;  // processes with the client library
  int raw_callers = 2;
  int works = 2;  // at once in each payer
  int payment_keys = 4;
  int arena_keys = 2;
  Duration lease_min = std::chrono::milliseconds(300);
  Duration lease_max = std::chrono::seconds(3);
  bool short_retention = false;
  std::size_t reply_budget_bytes = 64 * 1024;
  std::size_t batch_calls = 4'096;
  std::size_t frame_bytes = 1024 * 1024;
  std::size_t session_calls = 65'536;
  std::size_t queued_calls = 65'536;
};

struct Swarm : Faults, Workload {
  static Swarm Draw(Random& random);
  // No faults any more; clocks run as they did.
  void Heal();
  // The faults of this run, for people.
  std::string Describe() const;
};

}  // namespace latchkey::simulation
