// One of many callers that use a few keys at once, in every way that the API offers, well-behaved
// or not: they lapse, come late, use old tokens, repeat themselves and give up.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <random>
#include <string>

#include "tools/crash_test/service.h"

namespace latchkey::crash {

// A key and a token that was granted for it.
struct Claim {
  std::string name_space;
  std::string key;
  std::uint64_t fencing_token = 0;
};

// The latest claims of all callers of this process, so that one uses what another holds or lost.
// Thread-safe.
class Claims {
 public:
  void Add(const Claim& claim);
  // Any of the latest, if there is one.
  std::optional<Claim> Any(std::mt19937_64& random) const;

 private:
  mutable std::mutex mutex_;
  std::deque<Claim> latest_;
};

// One thread's. `service`, `claims` and `stop` outlive it.
class Caller {
 public:
  Caller(Service& service, Claims& claims, std::string name, std::uint64_t seed,
         const std::atomic<bool>& stop);

  // Does one thing after another until `stop`; then ends within seconds.
  void Run();

 private:
  struct Key {
    std::string name_space;
    std::string key;
    std::string fingerprint;
    bool is_mutex = false;  // only locked and released
  };
  struct Hold {
    Key key;
    Claim claim;
    v1::AcquireLockRequest request;
    std::int64_t lease_ms = 0;
  };

  std::uint64_t Draw(std::uint64_t below) { return random_() % below; }
  bool Chance(unsigned percent) { return Draw(100) < percent; }
  std::int64_t Between(std::int64_t least, std::int64_t most);
  std::string NextId();
  Key PickKey();
  void Pause(std::int64_t milliseconds);

  // What a caller does; each is one round.
  void Work(const Key& key);
  void WorkOnIssuedKey();
  void Abandon();
  void WorkTooLate();
  void Check();
  void UseOldToken();
  void Administrate();
  void LookAtList(const Key& key);
  void Settle(const Claim& claim);

  v1::AcquireLockRequest MakeAcquire(const Key& key);
  std::optional<v1::Grant> Acquire(const v1::AcquireLockRequest& request);
  // A second copy of the call is sent while the first may still wait.
  std::optional<v1::Grant> AcquireTwice(const v1::AcquireLockRequest& request);
  void GiveUp(const v1::AcquireLockRequest& request);
  void WorkUnderLease(Hold& hold);
  void End(const Hold& hold);
  void Lapse(const Hold& hold);
  void Renew(const Claim& claim, std::int64_t lease_ms);
  void Record(const Claim& claim);
  void Release(const Claim& claim, int effect);
  template <class Request>
  bool Repeat(const Request& request, int times);

  Service& service_;
  Claims& claims_;
  const std::string name_;
  std::mt19937_64 random_;
  const std::atomic<bool>& stop_;
  std::uint64_t ids_ = 0;
};

}  // namespace latchkey::crash
