// Load in a closed loop: so many flows in flight, each beginning its next one when the last has
// ended. What a flow sends, and to which system, is up to who derives from FlowLoop and Driver.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>

#include "absl/status/statusor.h"
#include "tools/load_generator/measurement.h"

namespace latchkey::bench {

inline constexpr std::size_t kPayloadBytes = 100;

struct LoadOptions {
  int concurrency = 1;
  std::chrono::milliseconds warm_up{3000};
  std::chrono::milliseconds measure{10'000};
  // Ends early after so many flows; 0: goes by the time.
  std::uint64_t flows_max = 0;
  // Different for every run against one store, so that keys are fresh.
  std::string key_prefix = "bench";
  // What the progress line says; empty: none is shown.
  std::string progress;
};

// What all flows of a run share.
class Run;

// One of the flows in flight. Everything happens on one thread at a time, whichever that is.
class FlowLoop {
 public:
  virtual ~FlowLoop() = default;
  // Before the first Next(); `number` tells it from the other loops of the run.
  void Join(Run& run, int number);
  // Begins a flow, unless the run is over.
  void Next();

 protected:
  using TimePoint = std::chrono::steady_clock::time_point;

  // Sends the first call of a flow on key(). It ends, now or later, with Finished() or Failed().
  virtual void Send() = 0;
  // The flow has done what it should; begins the next one.
  void Finished();
  // Ends this loop, and the run with an error.
  void Failed(const std::string& why);

  const std::string& key() const { return key_; }
  // Random bytes, new at every call.
  std::string MakePayload();

 private:
  void BeginAt(TimePoint now);
  void End();

  Run* run_ = nullptr;
  int number_ = 0;
  std::uint64_t sent_ = 0;
  TimePoint sent_at_;
  std::string key_;
  std::mt19937_64 random_;
};

// The way to a system: its connections, and the thread that they run on. Used for one run.
class Driver {
 public:
  virtual ~Driver() = default;
  // The loop `number`, of as many as were said when the driver was made. It lives no longer than
  // the driver.
  virtual std::unique_ptr<FlowLoop> MakeLoop(int number) = 0;
  // Calls `begin`, which begins the first flow of every loop, on the thread that the loops run on.
  virtual void Start(std::function<void()> begin) { begin(); }
  // All loops have ended.
  virtual void Stop() {}
};

// Runs `options.concurrency` loops of the driver. UNAVAILABLE if any flow failed.
absl::StatusOr<Measurement> RunLoad(Driver& driver, const LoadOptions& options);

}  // namespace latchkey::bench
