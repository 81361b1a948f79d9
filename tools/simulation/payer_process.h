// One life of a payer: the client library, and what is done with it. The server's headers and the
// client's public ones do not meet in one file, because both have a Work.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "latchkey/client.h"
#include "tools/simulation/payer.h"
#include "tools/simulation/simulated_runtime.h"

namespace latchkey::simulation {

class PayerProcess {
 public:
  PayerProcess(Payer& host, Network& network, Provider& provider, PayerEvents& events);
  // The process has ended: nothing that happens here is heard of.
  ~PayerProcess();

  void Start();
  // Drops the last handle on the client.
  void LetGo() { client_.reset(); }
  bool has_client() const { return client_.has_value(); }

  // See Payer.
  bool idle() const;
  std::string Describe() const;
  std::uint64_t Believes(const std::string& key, std::uint64_t fencing_token) const;

 private:
  using Done = Callback<Outcome>;

  simulation::Random& random() const { return network_.random(); }
  const Swarm& swarm() const { return network_.swarm(); }
  void Note(const std::string& what) const { network_.Note(host_.name(), what); }
  PayerCounts& counts() { return host_.counts(); }
  // Runs it on this process's host; not where the process has ended before.
  void After(Duration delay, std::function<void()> task) { host_.RunAfter(delay, std::move(task)); }
  bool over() const { return host_.life() != life_; }

  std::shared_ptr<internal::Connection> Connect();
  void Next(int slot);
  std::uint64_t Begin(const std::string& what);
  void OnAnswer(int slot, std::uint64_t call);

  // What a slot does; each ends in OnAnswer.
  void Pay(int slot);
  void Check(int slot);
  void Lock(int slot);
  void UseLock(int slot, std::uint64_t call, const std::shared_ptr<Lease>& lease, int steps);
  void OnPaid(const std::string& key, const RunResult& run);

  // The work of a payment.
  void Create(const std::shared_ptr<Attempt>& attempt, bool mark, const Done& done);
  void Recover(const std::shared_ptr<Attempt>& attempt, const Done& done);
  void SendCharge(const std::shared_ptr<Attempt>& attempt, const Done& done);
  void AskProvider(const std::shared_ptr<Attempt>& attempt, const Done& done);
  void Remember(const std::shared_ptr<Attempt>& attempt);

  std::string PaymentKey();
  AcquireOptions PaymentOptions(const std::string& key, bool mark);

  Payer& host_;
  Network& network_;
  Provider& provider_;
  PayerEvents& events_;
  const std::uint64_t life_;
  const std::shared_ptr<SimulatedRuntime> runtime_;
  std::optional<Client> client_;
  std::uint64_t calls_ = 0;
  // Not called back yet, and what for.
  std::map<std::uint64_t, std::string> open_;
  std::map<std::uint64_t, std::weak_ptr<Attempt>> attempts_;
  std::map<std::uint64_t, std::shared_ptr<Lease>> leases_;
};

}  // namespace latchkey::simulation
