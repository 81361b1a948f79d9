// Stories of calls and answers, told to the simulation's checker as the simulated network would.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "latchkey/v1/coordination.pb.h"
#include "server/machine/proto_time.h"
#include "tools/simulation/checker.h"

namespace latchkey::simulation {

inline constexpr char kKey[] = "order:123";

v1::AcquireLockRequest Acquire(const std::string& attempt, int lease_ms = 1000);
v1::RenewLeaseRequest Renew(std::uint64_t token);
v1::RecordResultRequest Record(std::uint64_t token, const std::string& reference = "ch_1");
v1::ReleaseRequest Release(std::uint64_t token, v1::ReleaseRequest::Effect effect);
v1::CheckResultRequest Check();
v1::Result ResultOf(std::uint64_t token, const std::string& reference = "ch_1");

struct GrantOptions {
  v1::Grant::Mode mode = v1::Grant::EXECUTE;
  std::uint32_t number = 1;
  bool replayed = false;
  std::string checkpoint = {};
  std::string downstream_key = "one";
  // Unset: the whole lease, as granted when it is answered.
  std::optional<int> remaining_ms = {};
};

class Story {
 public:
  Story();

  // It is so many milliseconds after the beginning.
  void At(int ms) { scheduler_.RunUntil(std::chrono::milliseconds(ms)); }

  // A call arrives now; its number.
  std::uint64_t Ask(const Request& request);
  // Its answer leaves now.
  void Grant(std::uint64_t call, std::uint64_t token, const GrantOptions& options = {});
  void Completed(std::uint64_t call, const v1::Result& result);
  void Contend(std::uint64_t call, const std::string& holder, bool in_doubt = false);
  void Renewed(std::uint64_t call, int remaining_ms);
  void Recorded(std::uint64_t call, const v1::Result& result);
  void Answer(std::uint64_t call, v1::CheckResultResponse::State state,
              const std::string& holder = {});
  void Released(std::uint64_t call, v1::CheckResultResponse::State state);
  void Refuse(std::uint64_t call, const std::string& reason, const std::string& text = {});
  void Lost(std::uint64_t token);

  // Both at once.
  void Granted(const v1::AcquireLockRequest& request, std::uint64_t token,
               const GrantOptions& options = {}) {
    Grant(Ask(request), token, options);
  }
  void Refused(const Request& request, const std::string& reason) { Refuse(Ask(request), reason); }

  void Gone(std::uint64_t call) { checker_.OnGone(call, /*cut_off=*/true); }
  void Stalled(int from_ms, int until_ms) {
    checker_.OnStalled(std::chrono::milliseconds(from_ms), std::chrono::milliseconds(until_ms));
  }
  // A partition has nothing to do.
  void Step() {
    checker_.OnStepBegins();
    checker_.OnStepEnds();
  }
  void StoreFails() { checker_.OnStoreFailed(); }
  void Restart();
  // A step of a partition writes a grant to the disk.
  void Write(std::uint64_t token, const std::string& attempt);
  // Somebody believes in the lease of this token.
  void Believe(std::uint64_t token) { believed_ = token; }
  Disk& disk() { return disk_; }
  void End() { checker_.JudgeEnd(disk_); }

  // The first; empty: none.
  const std::string& violation() const { return violation_; }

 private:
  Random random_{1};
  Scheduler scheduler_{random_};
  Trace trace_{false};
  Swarm swarm_;
  ServerSettings settings_;
  ServerHost server_{scheduler_, random_, swarm_, trace_, settings_};
  Disk disk_;
  std::string violation_;
  std::uint64_t believed_ = 0;
  std::uint64_t calls_ = 0;
  std::map<std::uint64_t, Duration> arrived_;
  std::map<std::uint64_t, Duration> leases_;
  Checker checker_;
};

}  // namespace latchkey::simulation
