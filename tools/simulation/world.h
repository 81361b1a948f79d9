// One run: a server, its disk, its callers, the network and a provider, under one seed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tools/simulation/checker.h"
#include "tools/simulation/network.h"
#include "tools/simulation/payer.h"
#include "tools/simulation/provider.h"
#include "tools/simulation/raw_caller.h"
#include "tools/simulation/report.h"
#include "tools/simulation/scheduler.h"
#include "tools/simulation/server_host.h"
#include "tools/simulation/swarm.h"
#include "tools/simulation/trace.h"

namespace latchkey::simulation {

class World final : private PayerEvents {
 public:
  World(std::uint64_t seed, bool verbose);
  ~World() override;

  // Phase 1: faults, and safety after each step. Phase 2: nothing goes wrong any more, and
  // everything must come to rest (L10). Stops at the first violation.
  RunReport Run();

 private:
  void OnViolation(const std::string& invariant, const std::string& what) override;
  void OnSpent(const std::string& key, std::uint64_t fencing_token) override;

  static ServerSettings SettingsOf(const Swarm& swarm);
  static Checker::Rules RulesOf(const Swarm& swarm, const std::string& key);
  void StartHosts();
  // Happens again and again, with this mean time between; never where that is zero.
  void Again(Duration mean, std::function<void()> fault);
  void StartFaults();
  void StepWall();
  // An operator who looks at the provider's books ends the doubt of a payment, now and then.
  void Settle();
  bool Pass(Duration time);

  // Phase 2 (world_end.cc).
  void Heal();
  void RequireRest();
  void ProbeKeys();
  void Probe(const std::string& name_space, const std::string& key);
  void JudgeBooks();

  RunReport MakeReport();

  const std::uint64_t seed_;
  Random random_;
  Swarm swarm_;
  Trace trace_;
  Scheduler scheduler_;
  const ServerSettings settings_;
  std::unique_ptr<Checker> checker_;
  std::unique_ptr<ServerHost> server_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<Provider> provider_;
  Claims claims_;
  Claims spent_;
  std::vector<std::unique_ptr<Payer>> payers_;
  std::vector<std::unique_ptr<RawCaller>> raw_callers_;
  std::unique_ptr<Host> prober_;
  bool healed_ = false;
  int probes_open_ = 0;
  std::uint64_t probes_ = 0;
  std::uint64_t settled_ = 0;
  std::string violation_;
};

}  // namespace latchkey::simulation
