// A caller that speaks the protocol itself, in every way that it offers, well-behaved or not: it
// lapses, comes late, uses old and invented tokens, repeats attempts, gives up, sends nonsense, and
// administrates.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/src/session_stream.h"
#include "latchkey/v1/admin.pb.h"
#include "latchkey/v1/coordination.pb.h"
#include "tools/simulation/boundary.h"
#include "tools/simulation/host.h"
#include "tools/simulation/network.h"
#include "tools/simulation/stream.h"

namespace latchkey::simulation {

inline constexpr char kArena[] = "arena";

struct Claim {
  std::string key;
  std::uint64_t fencing_token = 0;
};

// What all raw callers know of each other's, and of the payers' that are over.
class Claims {
 public:
  void Add(Claim claim);
  const Claim* Any(Random& random) const;

 private:
  std::deque<Claim> latest_;
};

class RawCaller final : public Host {
 public:
  RawCaller(Network& network, Claims& claims, Claims& spent, std::string name);
  ~RawCaller() override;

  void Start();
  void Kill();
  void Retire() { retired_ = true; }

  std::uint64_t calls() const { return calls_; }

 private:
  class Events;

  Random& random() const { return network_.random(); }
  void Next();
  void Act();

  std::string ArenaKey();
  Claim AnyClaim();
  v1::AcquireLockRequest AnyAcquire();
  v1::RenewLeaseRequest AnyRenewal();
  v1::RecordResultRequest AnyRecord();
  v1::ReleaseRequest AnyRelease();
  v1::CheckResultRequest AnyCheck();

  void Acquire();
  void Administrate();
  void MisuseSpent();
  void SpeakSession();
  std::string AnyFrame();
  void AddCall(v1::SessionRequest& frame);

  // Sends it, and looks at the answer for what there is to know.
  template <class Response, class Request>
  void Send(Request request);
  void Learn(const std::string& key, const v1::AcquireLockResponse& response);

  Network& network_;
  Claims& claims_;
  Claims& spent_;
  bool retired_ = false;
  std::uint64_t ids_ = 0;
  std::uint64_t calls_ = 0;
  std::deque<v1::AcquireLockRequest> recent_;
  std::shared_ptr<Stream> stream_;
  std::uint64_t call_ids_ = 0;
  // By call_id, what its AcquireLock calls are about.
  std::map<std::uint64_t, std::string> asked_;
};

}  // namespace latchkey::simulation
