// Judges a run from what was seen on the server's boundary, and knows nothing of how the server
// decides. It sees every call arrive and every answer leave, in the order in which that happens, so
// what it says is exact: no answer is early or late by accident.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "tools/simulation/boundary.h"
#include "tools/simulation/facts.h"
#include "tools/simulation/server_host.h"
#include "tools/simulation/trace.h"

namespace latchkey::simulation {

struct CheckerCounts {
  std::uint64_t answered = 0;
  std::uint64_t acknowledged = 0;  // with more than "not now"
  std::uint64_t unanswered = 0;
  std::uint64_t grants = 0;
  std::uint64_t recoveries = 0;
  std::uint64_t replays = 0;
  std::uint64_t renewals = 0;
  std::uint64_t recorded = 0;
  std::uint64_t handed_over = 0;  // grants to a call that had to wait
  std::uint64_t late_results = 0;
  std::uint64_t lost_leases = 0;
  std::uint64_t stale = 0;
  std::uint64_t fingerprints = 0;
  std::uint64_t ended_attempts = 0;
  std::uint64_t expired_keys = 0;
};

class Checker final : public Boundary, public ServerEvents {
 public:
  // How long results are kept, by a key's full name.
  struct Rules {
    Duration payload_retention = std::chrono::hours(72);
    Duration key_retention = std::chrono::hours(24 * 90);
    Duration slack = std::chrono::hours(24);  // until a key that is refused is forgotten
  };
  using RulesOf = std::function<Rules(const std::string& key)>;
  // Called for each broken promise.
  using Report = std::function<void(const std::string& invariant, const std::string& what)>;
  // Asked at each grant: who else believes in an older lease of the key? Its token, or 0.
  using Believer = std::function<std::uint64_t(const std::string& key, std::uint64_t below)>;

  Checker(Scheduler& scheduler, Trace& trace, const ServerHost& server, RulesOf rules,
          Report report, Believer believer);

  void OnArrived(std::uint64_t call, const Request& request) override;
  void OnAnswered(std::uint64_t call, const Response& response) override;
  void OnGone(std::uint64_t call, bool cut_off) override;
  void OnLeaseLost(const v1::SessionResponse::LeaseLost& lost) override;

  void OnServing() override;
  void OnStoreFailed() override { failed_at_ = now(); }
  void OnServerDied() override;
  void OnWritten(const std::string& store_key, const storage::Record* record) override;
  void OnStepBegins() override { step_began_ = ++events_; }
  void OnStepEnds() override;
  void OnStalled(Duration from, Duration until) override;

  // At the end of a run, when nothing is under way any more.
  void JudgeEnd(Disk& disk);

  const CheckerCounts& counts() const { return counts_; }

 private:
  Duration now() const { return scheduler_.now(); }
  void Violated(const std::string& invariant, const std::string& what);
  // The invariant that is broken where a fact of an earlier life does not hold any more.
  std::string Since(std::uint64_t life, const char* invariant) const;

  // Answers, by what was asked.
  void Judge(SeenCall& call, const v1::AcquireLockRequest& request, const Response& response);
  void Judge(SeenCall& call, const v1::RenewLeaseRequest& request, const Response& response);
  void Judge(SeenCall& call, const v1::CheckResultRequest& request, const Response& response);
  void Judge(SeenCall& call, const v1::RecordResultRequest& request, const Response& response);
  void Judge(SeenCall& call, const v1::ReleaseRequest& request, const Response& response);
  void Judge(SeenCall& call, const v1::GetRecordRequest& request, const Response& response);
  void Judge(SeenCall& call, const v1::ResolveOutcomeRequest& request, const Response& response);
  void Judge(SeenCall& call, const v1::ForceReleaseRequest& request, const Response& response);
  void Judge(SeenCall& call, const v1::DeleteRecordRequest& request, const Response& response);
  void JudgeRefusal(const SeenCall& call, const RefusedWith& refused);

  // Grants (checker_grants.cc).
  void OnGrant(SeenCall& call, const v1::AcquireLockRequest& request,
               const v1::AcquireLockResponse& response);
  void OnFreshGrant(SeenCall& call, const v1::AcquireLockRequest& request, const v1::Grant& grant,
                    SeenToken& token);
  void OnReplay(const SeenCall& call, const v1::Grant& grant, const SeenToken& token);
  void JudgeRun(const SeenKey& key, const SeenToken& token, const SeenCall& call);
  bool OfAnEarlierRun(const SeenKey& key, std::uint64_t token, std::uint64_t before) const;
  void JudgeLateComer(const SeenCall& call, const v1::AcquireLockRequest& request);
  void JudgeCheckpoint(const SeenKey& key, const SeenToken& token, const v1::Grant& grant);
  // Waiting (checker_waiting.cc).
  void NoteAcquire(SeenCall& call, const v1::AcquireLockRequest& request);
  void JudgeOrder(const SeenCall& waiter, Duration until);
  void JudgePatience(const SeenCall& waiter, Duration wait);
  void JudgeGone(SeenKey& key, const storage::Record& record);
  void JudgeUnsent(const std::string& name, SeenKey& key);
  void JudgeEnded(const SeenCall& call, const std::string& attempt);
  void NoteEnded(const SeenCall& call, const v1::ReleaseRequest& request,
                 const v1::ReleaseResponse& response);
  // Leases (checker_leases.cc).
  Duration Told(const SeenCall& call, const google::protobuf::Duration& elapsed,
                const google::protobuf::Duration& remaining) const;
  void JudgeAlone(SeenKey& key);
  void Extend(SeenKey& key, SeenToken& token, Duration until);
  void CountAnew();
  void JudgeOver(SeenKey& key, std::uint64_t fencing_token, const std::string& how);
  void Kill(SeenToken& token, const std::string& how);
  void JudgeAlive(const SeenCall& call, const SeenToken& token, const char* invariant);
  // States and results (checker_results.cc).
  void OnSeen(const SeenCall& call, v1::CheckResultResponse::State state,
              const std::string* holder);
  void OnResult(const SeenCall& call, const v1::Result& result);
  void JudgeFingerprint(const SeenCall& call, const std::string& fingerprint);
  bool MayBeForgotten(const SeenKey& key, Duration retention) const;

  SeenKey& KeyOf(const SeenCall& call) { return keys_[call.key]; }

  Scheduler& scheduler_;
  Trace& trace_;
  const ServerHost& server_;
  const RulesOf rules_;
  const Report report_;
  const Believer believer_;
  CheckerCounts counts_;
  std::map<std::string, SeenKey> keys_;
  std::map<std::uint64_t, std::shared_ptr<SeenCall>> open_;
  // On the disk.
  std::set<std::string> held_;
  struct Owner {
    std::string key;
    std::string attempt;
    std::string holder;
  };
  std::map<std::uint64_t, Owner> owners_;
  std::uint64_t highest_told_ = 0;
  std::uint64_t life_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t step_began_ = 0;
  std::optional<Duration> failed_at_;
  // Of the wall clock before the clock of the run.
  Duration least_lead_ = Duration::zero();
  Duration most_lead_ = Duration::zero();
};

}  // namespace latchkey::simulation
