// What the client library takes from its machine, in virtual time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "client/src/runtime.h"
#include "tools/simulation/host.h"
#include "tools/simulation/random.h"

namespace latchkey::simulation {

// One life's of a caller's process. For one thread.
class SimulatedRuntime final : public internal::Runtime,
                               public std::enable_shared_from_this<SimulatedRuntime> {
 public:
  SimulatedRuntime(Host& host, const DriftingClock& clock, simulation::Random& random)
      : host_(host), clock_(clock), random_(random), life_(host.life()) {}

  BootClock::time_point Now() override;
  std::uint64_t Random() override { return random_.Next(); }
  TimerId RunAt(BootClock::time_point when, std::function<void()> task) override;
  void Cancel(TimerId id) override;
  // Everything else goes on meanwhile. A process that has died waits for nothing.
  void Wait(internal::Event& event, std::optional<BootClock::time_point> until) override;
  void Stop() override;

  bool stopped() const { return stopped_; }
  std::size_t pending() const { return tasks_.size(); }

 private:
  bool dead() const { return host_.life() != life_; }
  void Arm();
  void RunDue();

  Host& host_;
  const DriftingClock clock_;
  simulation::Random& random_;
  const std::uint64_t life_;
  bool stopped_ = false;
  TimerId last_id_ = 0;
  std::map<std::pair<BootClock::time_point, TimerId>, std::function<void()>> tasks_;
  std::unordered_map<TimerId, BootClock::time_point> times_;
};

}  // namespace latchkey::simulation
