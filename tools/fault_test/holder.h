// Who holds leases, by the shipped client, and acts on something outside of Latchkey: it counts in
// a register, and it pays. It may be stopped at any moment, and goes on where it was.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <random>
#include <string>

#include "latchkey/client.h"
#include "tools/crash_test/history.h"
#include "tools/fault_test/resource.h"

namespace latchkey::faults {

// One thread's. What it is given outlives it.
class Holder {
 public:
  struct Habits {
    // The control: takes a recovery for a new payment.
    bool ignores_recover = false;
  };

  Holder(Client& client, crash::History& history, const std::string& resource, Habits habits,
         std::uint64_t seed, const std::atomic<bool>& stop);

  // Does one thing after another until `stop`; then ends within seconds.
  void Run();

 private:
  std::uint64_t Draw(std::uint64_t below) { return random_() % below; }
  void PauseUpTo(std::chrono::milliseconds longest);
  // A name that all holders turn to at about this time.
  std::string NameNow(const char* kind, std::int64_t lives_ms, std::uint64_t how_many);
  void Count();
  void Pay();
  Outcome PayOnce(Attempt& attempt);
  // Writes down that the client says of its lease that it is held.
  void NoteBelief(const Attempt& attempt);

  Client& client_;
  crash::History& history_;
  Resource resource_;
  const Habits habits_;
  std::mt19937_64 random_;
  const std::atomic<bool>& stop_;
};

}  // namespace latchkey::faults
