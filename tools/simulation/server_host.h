// The machine that the server runs on: starts its process, steps it, and kills, stops and pauses
// it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "tools/simulation/disk.h"
#include "tools/simulation/host.h"
#include "tools/simulation/network.h"
#include "tools/simulation/server_life.h"

namespace latchkey::simulation {

// What the server host tells whoever judges it, beside what is on the boundary.
class ServerEvents {
 public:
  virtual ~ServerEvents() = default;
  virtual void OnServing() = 0;
  virtual void OnStoreFailed() = 0;
  virtual void OnServerDied() = 0;
  virtual void OnWritten(const std::string& store_key, const storage::Record* record) = 0;
  // A partition is about to decide; what it was told before counts. Then: it has.
  virtual void OnStepBegins() = 0;
  virtual void OnStepEnds() = 0;
  // The process has stood still, and goes on with its next step.
  virtual void OnStalled(Duration from, Duration until) = 0;
};

class ServerHost final : public Host {
 public:
  ServerHost(Scheduler& scheduler, Random& random, const Swarm& swarm, Trace& trace,
             const ServerSettings& settings);
  ~ServerHost() override;

  // Before the start: how it is reached, and who looks on.
  void Connect(Network& network, Boundary& boundary, ServerEvents& events) {
    network_ = &network;
    boundary_ = &boundary;
    events_ = &events;
  }

  void Start();
  // SIGKILL. Within a store call, that call does not return to the process any more.
  void Kill();
  // SIGTERM.
  void Stop();
  void Pause(Duration time);
  // A step of the machine's wall clock.
  void StepWall(Duration by);

  ServerLife& life_now() { return *life_now_; }
  Disk& disk() { return disk_; }
  // Of this life.
  const DriftingClock& clock() const { return clock_.monotonic; }
  Duration wall_lead() const { return clock_.wall_lead; }
  WallTime life_wall() { return clock_.Wall(); }
  // What the wall clock shows when a run begins.
  static WallTime wall_at_zero();
  Duration time_down() const { return time_down_; }
  bool busy() const { return busy_; }
  // It has started: who calls reaches it.
  bool serving() const { return serving_; }

  // From the life.
  SessionEnd* Accept(std::shared_ptr<Stream> stream) {
    return life_now_->Accept(std::move(stream));
  }
  void WakePartitions();
  void OnStoreFailed();

  struct Counts {
    std::uint64_t crashes = 0;
    std::uint64_t crashes_in_store = 0;
    std::uint64_t store_failures = 0;
    std::uint64_t stops = 0;
    std::uint64_t pauses = 0;
    std::uint64_t lapses = 0;
    std::uint64_t stalls = 0;
    std::uint64_t writes = 0;
  };
  const Counts& counts() const { return counts_; }
  Counts& counts() { return counts_; }

 private:
  // The clocks of the machine. The monotonic one begins anywhere when the machine does.
  struct MachineClock final : public Clock {
    explicit MachineClock(Scheduler& its_scheduler) : scheduler(its_scheduler) {}
    MonotonicTime Monotonic() override { return MonotonicTime(monotonic.At(scheduler.now())); }
    WallTime Wall() override;

    Scheduler& scheduler;
    DriftingClock monotonic{std::chrono::hours(1), 0};
    Duration wall_lead = Duration::zero();
  };

  void Note(const std::string& what);
  WriteFate DrawFate();
  WriteFate DieIn(double durable);
  // Lets time pass within a call that blocks the process; false if that died meanwhile.
  bool Pass(Duration time);
  // Runs what may block; afterwards the process may be gone.
  void Block(const std::function<void()>& work);
  void StepAt(std::size_t place, Duration when);
  void Step(std::size_t place);
  void FinishStop();
  void Housekeep();
  void Bury();
  void StartAfter(Duration time);

  Random& random_;
  const Swarm& swarm_;
  Trace& trace_;
  const ServerSettings& settings_;
  Network* network_ = nullptr;
  Boundary* boundary_ = nullptr;
  ServerEvents* events_ = nullptr;
  Disk disk_;
  MachineClock clock_;
  Counts counts_;
  std::unique_ptr<ServerLife> life_now_;
  bool busy_ = false;
  bool serving_ = false;
  std::optional<std::pair<Duration, Duration>> pause_;
  Duration died_at_ = Duration::zero();
  Duration time_down_ = Duration::zero();
  // When each partition is stepped next; what was meant for another time is void.
  std::vector<Duration> next_step_;
};

}  // namespace latchkey::simulation
