// A process that pays orders with the client library as it ships, and is killed, paused and stopped
// while it does.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tools/simulation/host.h"
#include "tools/simulation/network.h"
#include "tools/simulation/provider.h"

namespace latchkey::simulation {

class PayerProcess;

// What the payers tell whoever judges them.
class PayerEvents {
 public:
  virtual ~PayerEvents() = default;
  virtual void OnViolation(const std::string& invariant, const std::string& what) = 0;
  // This token's work is over for good: anybody may try to misuse it.
  virtual void OnSpent(const std::string& key, std::uint64_t fencing_token) = 0;
};

struct PayerCounts {
  std::uint64_t begun = 0;
  std::uint64_t answered = 0;
  std::uint64_t succeeded = 0;
  std::uint64_t replayed = 0;
  std::uint64_t recovered = 0;
  std::uint64_t in_doubt = 0;
  std::uint64_t kills = 0;
  std::uint64_t quits = 0;
  std::uint64_t pauses = 0;
  std::uint64_t lost = 0;  // leases that were lost under their work
};

// The machine; its process is replaced when it ends.
class Payer final : public Host {
 public:
  Payer(Network& network, Provider& provider, PayerEvents& events, std::string name);
  ~Payer() override;

  void Start();
  // SIGKILL; another process takes its place after a while.
  void Kill();
  // Lets go of the client while work may be under way, and is started again.
  void Quit();
  // For good, unlike Kill.
  void EndProcess();
  // Begins nothing new.
  void Retire() { retired_ = true; }
  bool retired() const { return retired_; }

  // Whether every call was called back and nothing is undelivered.
  bool idle() const;
  // Why not.
  std::string Describe() const;
  // Whether it believes that it holds a lease on this key under a token below `fencing_token`; the
  // token, or 0.
  std::uint64_t Believes(const std::string& key, std::uint64_t fencing_token) const;

  const DriftingClock& clock() const { return clock_; }
  const PayerCounts& counts() const { return counts_; }
  PayerCounts& counts() { return counts_; }

 private:
  Network& network_;
  Provider& provider_;
  PayerEvents& events_;
  const DriftingClock clock_;
  bool retired_ = false;
  PayerCounts counts_;
  std::unique_ptr<PayerProcess> process_;
};

}  // namespace latchkey::simulation
