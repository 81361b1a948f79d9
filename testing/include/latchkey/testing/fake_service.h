// A service that answers what a test tells it, for the tests of code that uses a Client. No network
// and no server; time stands still until the test lets it pass.
//
//   latchkey::testing::FakeService service;
//   service.WillAnswer("order:1", latchkey::testing::Recover{.checkpoint = "sent"});
//   PayOrder(service.Connect(), "1");  // the code under test
//   assert(service.recorded("order:1").at(0).fields().provider_reference == "ch_1");
//
// It knows no rules. Whether two callers exclude each other, or what a lapse leads to, is for a
// real server to say: see InProcessServer.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "latchkey/client.h"

namespace latchkey::testing_internal {
class Script;
}  // namespace latchkey::testing_internal

namespace latchkey::testing {

// The caller gets the lock and is to do the work. The provider's window is
// AcquireOptions::downstream_key_ttl.
struct Execute {};

// The caller gets the lock after an attempt whose outcome is not known.
struct Recover {
  // See Attempt::downstream_key_remaining. 0: Attempt::recover_action is kQueryOnly, else
  // kResendSameKey.
  std::chrono::nanoseconds downstream_key_remaining = {};
  // See Attempt::doubt_age.
  std::chrono::nanoseconds doubt_age = {};
  // See Attempt::checkpoint.
  std::string checkpoint = {};
  // See Attempt::late_outcomes.
  std::vector<LateOutcome> late_outcomes = {};
  // See Attempt::attempt_number.
  std::uint32_t attempt_number = 2;
  // See Attempt::previous_holder_id.
  std::string previous_holder_id = "previous-holder";
};

// What RunOnce and AcquireLock are answered. An Error as with Unavailable or Refused.
using AcquireScript = std::variant<Execute, Recover, Completed, Contention, Error>;

// The key is completed, with this result.
Completed AlreadySucceeded(ResultFields fields = {});
// The key is completed: the effect was refused for good.
Completed AlreadyRejected(ResultFields fields = {});
// No answer came from the service.
Error Unavailable(std::string reason = {});
// The service said no, for example FINGERPRINT_MISMATCH.
Error Refused(std::string reason);

// The outcome is the key's result.
struct Recorded {};
// The same, after the lease had run out: StoredResult::late.
struct RecordedLate {};
// It is not: somebody else was granted the key (STALE_FENCING_TOKEN).
struct Superseded {
  // What the other one recorded; unset if nothing yet.
  std::optional<Completed> by = {};
};

// What becomes of an outcome. With an Error of Unavailable the caller hears that it is unrecorded,
// and delivers it again when a second has passed (FakeService::AdvanceTime).
using RecordScript = std::variant<Recorded, RecordedLate, Superseded, Error>;

// One call of RunOnce or AcquireLock, as the service saw it.
struct Asked {
  // In which namespace.
  std::string key_namespace = {};
  // For whom.
  std::string holder_id = {};
  // With what.
  AcquireOptions options = {};
};

// See above. Keys of all namespaces are one. Clients may outlive it. Thread-safe.
class FakeService {
 public:
  FakeService();
  ~FakeService();
  FakeService(const FakeService&) = delete;
  FakeService& operator=(const FakeService&) = delete;

  // A client of this service. Its callbacks come on a thread of the fake where there is no
  // executor; blocking calls that it would refuse there (WOULD_BLOCK) a real client refuses.
  Client Connect(ClientOptions options = {});

  // The answer to the next call for `key` that none was given for yet. A call for which there is
  // none is answered Unavailable("NOT_SCRIPTED"), so that nothing is run by mistake.
  void WillAnswer(std::string_view key, AcquireScript answer);
  // What becomes of the next outcome of `key`. Where nothing is said it is Recorded.
  void WillRecord(std::string_view key, RecordScript answer);
  // Where `key` stands, for CheckResult. What is granted, recorded and released changes it.
  void SetStatus(std::string_view key, KeyStatus status);
  // Refuses all further renewals of `key`, marks and checkpoints included. The holder finds out
  // when it next renews: AdvanceTime by a third of the lease.
  void LoseLease(std::string_view key, std::string reason = "STALE_FENCING_TOKEN");
  // From now on, or no longer, is there no answer to anything, whatever was scripted. Renewals
  // fail, and leases are lost as time passes.
  void SetUnavailable(bool unavailable);
  // Lets time pass for all clients, and runs what falls due meanwhile: renewals, deliveries,
  // Attempt::OnLost. Returns when it has run.
  void AdvanceTime(std::chrono::nanoseconds by);

  // What RunOnce and AcquireLock asked for, in order, answered or not.
  std::vector<Asked> asked(std::string_view key) const;
  // The outcomes that were to be recorded, in order; repeated ones again. Whatever became of them.
  std::vector<Outcome> recorded(std::string_view key) const;
  // How the lock was given back, in order, where it was not by an outcome.
  std::vector<Effect> released(std::string_view key) const;
  // The last checkpoint saved; unset if none was.
  std::optional<std::string> checkpoint(std::string_view key) const;
  // Whether Attempt::MarkEffectStarted was called.
  bool effect_started(std::string_view key) const;

 private:
  const std::shared_ptr<testing_internal::Script> script_;
};

}  // namespace latchkey::testing
