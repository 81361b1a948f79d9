// Random calls, cancellations, time steps, restarts and store failures against one partition, with
// what CONTRACT promises checked after each batch from what the callers were told.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/partition/partition_harness.h"

namespace latchkey {

class RandomRun {
 public:
  explicit RandomRun(std::uint64_t seed);

  // Submits some calls, lets some time pass, decides, checks. Stops at the first violation.
  void Batch();
  // Lets so much time pass that everything ends, and checks that it did (L10).
  void Converge();
  // The first promise that was broken; empty: none.
  const std::string& violation() const { return violation_; }
  // What was exercised, by name.
  const std::map<std::string, int>& counts() const { return counts_; }

 private:
  using State = v1::CheckResultResponse;

  // An AcquireLock or CheckResult call that was not finished when last looked at, or any other call
  // of the batch at hand.
  struct Pending : CallByKind {
    using CallByKind::CallByKind;
    std::string key;
    MonotonicTime gives_up;  // of a call that may wait
    std::uint64_t place = 0;
    bool was_waiting = false;          // when the batch began
    bool must_not_be_granted = false;  // its caller was known to be gone, or its time was up
  };
  // An attempt was given up, and the caller was told that it holds nothing.
  struct GivenUp {
    std::uint64_t serial;  // of the call
    int batch;
  };
  struct Owner {
    std::string key;
    std::string attempt_id;
  };
  // What a caller may rely on.
  struct Promise {
    std::string attempt_id;
    MonotonicTime until;
  };
  struct Key {
    std::vector<v1::AcquireLockRequest> recent;  // for retries
    std::vector<std::uint64_t> tokens;           // that callers know
    std::map<std::uint64_t, Promise> promises;
    std::set<std::uint64_t> ended_tokens;  // somebody tried to end them
    std::set<std::string> ended_attempts;
    std::map<std::string, GivenUp> given_up;  // by attempt
    std::set<std::uint64_t> unsent_tokens;    // that nobody was told of
    std::optional<std::string> result;        // acknowledged
  };

  // Drawing.
  bool OneIn(int n) { return random_() % static_cast<std::uint64_t>(n) == 0; }
  Duration OneOf(std::initializer_list<Duration> choices);
  std::string AnyKey();
  std::uint64_t AnyToken(Key& key);
  v1::AcquireLockRequest AnyAcquire(const std::string& name);
  void SubmitAny();
  void SubmitByHolder(const std::string& name);
  void SubmitByOperator(const std::string& name);
  void CancelSome();
  void LetTimePass();

  template <class Request>
  Pending& Submit(Request request) {
    auto& call = harness_.Submit(std::move(request));
    Pending& pending = pending_.emplace_back(call);
    pending.key = call.request().key();
    pending.place = ++places_;
    if constexpr (requires { call.request().wait_timeout(); }) {
      pending.gives_up = call.arrived + *FromProto(call.request().wait_timeout());
    }
    return pending;
  }

  // Checking.
  void Check();
  void InheritPlaces();
  void CheckAnswer(Pending& pending);
  void CheckGrant(const Pending& pending);
  void CheckFirstInFirstOut(const Pending& granted);
  void CheckRenewal(const Pending& pending);
  void NoteGivenUp(const Pending& pending);
  void CheckNotGivenUp(const Pending& granted);
  void CheckResultOf(const std::string& name, const std::string& reference);
  void CheckKeys();
  void CheckCounts();
  void Forget();
  void Restart();
  void Violated(const std::string& what);
  int& Count(const std::string& what) { return counts_[what]; }

  std::mt19937_64 random_;
  PartitionHarness harness_;
  std::map<std::string, Key> keys_;
  std::map<std::uint64_t, Owner> owners_;
  std::vector<Pending> pending_;
  std::uint64_t highest_token_ = 0;  // before the batch at hand
  std::uint64_t places_ = 0;
  int batch_ = 0;
  std::uint64_t attempts_ = 0;
  std::uint64_t references_ = 0;
  std::map<std::string, int> counts_;
  std::string violation_;
};

}  // namespace latchkey
