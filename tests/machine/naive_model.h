// A second opinion: what one key does, written from the contract alone, in plain structs, without
// the machine's code and without cleverness. model_test compares the two, command by command.
//
// Times are nanoseconds: leases on the monotonic clock, the rest on the retention clock.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace latchkey::naive {

using Nanos = std::int64_t;
using Token = std::uint64_t;

enum class State { kAbsent, kHeld, kInDoubt, kCompleted };
enum class OnLapse { kInDoubt, kForget, kForgetUnlessStarted };
enum class Effect { kUnset, kNotExecuted, kUnknown, kRunNotExecuted };
enum class Outcome { kSucceeded, kRejected, kNotExecuted };  // the last only in Resolve

struct Report {  // what RecordResult and ResolveOutcome bring
  Token token = 0;
  Outcome outcome = Outcome::kSucceeded;
  std::string code, reference, content_type, payload;
  std::optional<Nanos> retention;
  bool operator==(const Report&) const = default;
};

struct Result {
  Outcome outcome = Outcome::kSucceeded;
  // The payload as sent, whether it is still kept or not.
  std::string code, reference, content_type, payload;
  Nanos recorded_at = 0, retention = 0;
  bool late = false, omitted = false, truncated = false;
  bool operator==(const Result&) const = default;
};

struct Late {
  Token token = 0;
  Outcome outcome = Outcome::kSucceeded;
  std::string code, reference;
  Nanos at = 0;
  bool operator==(const Late&) const = default;
};

struct Audit {
  std::string action, actor, reason;
  Token token = 0;
  Nanos at = 0;
  std::optional<Late> heard;  // the report behind a "RecordResult" entry; not compared
  bool operator==(const Audit& other) const {
    return action == other.action && actor == other.actor && reason == other.reason &&
           token == other.token && at == other.at;
  }
};

// What a restart finds again.
struct Stored {
  State state = State::kAbsent;
  // The newest grant.
  Token token = 0;
  std::string holder, attempt;
  bool execute = false, seen = false;
  int number = 0;
  OnLapse on_lapse = OnLapse::kInDoubt;
  Nanos granted = 0, promised = 0;
  // The run.
  bool marked = false, doubted = false, suspected = false;
  std::string fingerprint, checkpoint, previous;
  Nanos ttl = 0, created = 0, since = 0, doubt_since = 0;
  std::optional<Result> result;
  std::vector<Late> lates;
  int late_count = 0;
  // The key.
  std::vector<Audit> audit;
  bool operator==(const Stored&) const = default;
};

struct World {
  Nanos monotonic = 0, retention = 0, latest = 0, horizon = 0, steady_since = 0;
  Token highest = 0;
  int waiters = 0;
  bool attempt_ended = false;
  std::string creation_refusal;  // empty: none
  // Rule 17: tokens up to this one were given before the last restore; while it is doubtful, when
  // it was and since when nothing is known.
  Token restored = 0;
  bool doubtful = false;
  Nanos restored_at = 0, unknown_since = 0;
};

struct Settings {
  std::size_t code, reference, content_type, payload, lates, audits;  // limits
  Nanos key_retention, payload_retention, slack, ttl, longest_lease;
};

struct AcquireCall {
  std::string attempt, holder, fingerprint;
  Nanos lease = 0, wait = 0;
  OnLapse on_lapse = OnLapse::kInDoubt;
  bool accept_recover = false;
  std::optional<Nanos> first_sent_at, ttl;
};

struct RenewCall {
  Token token = 0;
  std::optional<Nanos> lease;
  bool started = false;
  std::optional<std::string> checkpoint;
};

struct Grant {
  Token token = 0;
  bool execute = false, resend = false, replayed = false;
  int number = 0;
  std::string checkpoint, previous;
  Nanos downstream_remaining = 0, doubt_age = 0;
  std::vector<Late> lates;
  bool operator==(const Grant&) const = default;
};

struct Completed {
  Result result;
  bool expired = false;
  Nanos body_left = 0, key_left = 0;
  bool operator==(const Completed&) const = default;
};

struct Contention {
  std::string holder;
  bool in_doubt = false;
  int position = 0, waiters = 0;
  bool operator==(const Contention&) const = default;
};

struct Answer {
  std::string refusal;  // the reason's name; empty: OK
  bool durable = false, wait = false, granted = false;
  bool lapsed = false, lapsed_started = false, late_kept = false, newly_suspected = false;
  std::optional<Nanos> deadline;
  std::string ended_attempt, former_attempt;
  // What the reply says, each where the call has it.
  std::optional<State> state;
  std::optional<Grant> grant;
  std::optional<Completed> completed;
  std::optional<Contention> contention;
  bool already_recorded = false, late = false;
  int number = 0;
  std::string holder;
  Nanos unsafe_for = 0;
  bool operator==(const Answer&) const = default;
};

class Model {
 public:
  explicit Model(const Settings& settings) : settings_(settings) {}

  Answer Acquire(const AcquireCall& call, const World& world);
  Answer Renew(const RenewCall& call, const World& world);
  Answer Check(const std::string& fingerprint, std::optional<Nanos> first_sent_at, Nanos wait,
               const World& world);
  Answer Record(const Report& report, const World& world);
  Answer Release(Token token, Effect effect, const World& world);
  Answer ReleaseAttempt(const std::string& attempt, const World& world);
  Answer Resolve(const Report& report, const Audit& who, const World& world);
  Answer ForceRelease(Token token, const Audit& who, const World& world);
  Answer Delete(Token token, const Audit& who, const World& world);
  Answer Lapse(const World& world);
  Answer Undo(Token token, const World& world);
  // The commit gave the pending grant its token.
  void Commit(Token token) { stored_.token = token, pending_ = false; }
  // A new process: leases get all they were promised, what was not committed is gone.
  void Restart(const Stored& committed, const World& world);

  State Visible(const World& world) const;
  // Forgets what is to be forgotten by now.
  State Look(const World& world);
  const Stored& stored() const { return stored_; }
  Nanos deadline() const { return deadline_; }
  bool pending() const { return pending_; }

 private:
  Answer Finish(Answer answer, const Stored& before) const;
  Answer AnswerGrant(const World& world, bool replayed) const;
  Answer AnswerCompleted(const World& world) const;
  void Begin(const AcquireCall& call, const World& world);
  bool MayBeForgotten(const AcquireCall& call, const World& world) const;
  Answer GoOnWithForgotten(const AcquireCall& call, const World& world);
  void AwaitForgottenLeases(const World& world);
  void GrantTo(const AcquireCall& call, bool execute, const World& world);
  void EndRun(const World& world);
  void Doubt(const World& world);
  void LoseLease(const World& world, Answer* answer);
  void Complete(const Report& report, bool late, const World& world, Answer* answer);
  void KeepLate(const Report& report, const World& world, Answer* answer);
  void Suspect(const std::optional<Late>& unkept, Answer* answer);
  void AddAudit(Audit entry);
  bool KeepOrphan(const Report& report, const World& world);
  Late ToLate(const Report& report, const World& world) const;
  bool Repeats(const Report& report) const;
  bool SameResult(const Report& report) const;
  Completed ShowResult(const World& world) const;
  Result Cut(const Report& report) const;
  bool OtherFingerprint(const std::string& fingerprint) const;
  bool TooOld(std::optional<Nanos> first_sent_at, const World& world) const;
  bool KeyExpired(const World& world) const;

  Settings settings_;
  Stored stored_;
  // The last resolution, so that its repetition can be told.
  std::optional<Report> resolved_;
  Nanos deadline_ = 0;
  bool pending_ = false;
};

}  // namespace latchkey::naive
