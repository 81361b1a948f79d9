#include "server/machine/invariants.h"

#include <algorithm>
#include <array>

#include "latchkey/v1/coordination.pb.h"

namespace latchkey {
namespace {

using Kind = CommandSummary::Kind;
using State = v1::CheckResultResponse;
using storage::v1::Record;

// One step, seen from both sides. A record that is forgotten, or only keeps audit entries, is
// absent.
struct Transition {
  const KeyState& key_before;
  const KeyState& key_after;
  const Step& step;
  const Context& context;
  const CommandSummary& what;
  const Record& before;
  const Record& after;
  State::State from;
  State::State to;
  bool changed;  // the stored record

  bool live_before() const { return from == State::HELD || from == State::IN_DOUBT; }
  bool live_after() const { return to == State::HELD || to == State::IN_DOUBT; }
  // A machine's decision, and not what the store or a restart did.
  bool decided() const { return what.kind != Kind::kCommit && what.kind != Kind::kRestart; }
  bool same_run() const { return live_before() && to != State::ABSENT && !new_run(); }
  bool new_run() const { return step.granted && after.attempt_number() == 1; }
  bool newest_token() const { return what.fencing_token == before.fencing_token(); }
  // The newest grant may be forgotten as if it had never been.
  bool harmless() const {
    return before.mode() == v1::Grant::EXECUTE && !before.effect_started() && !before.doubted();
  }
  // Its holder may have said what the backup does not know.
  bool before_restore() const { return before.fencing_token() <= context.restore.fencing_token; }
  // Nobody need write down that a record is forgotten: whoever looks again sees the same.
  bool only_forgotten() const {
    return before.state() == State::COMPLETED && from == State::ABSENT && to == State::ABSENT;
  }
  bool unused() const { return from == State::HELD && !before.token_seen(); }
};

std::string Bytes(const Record& record) { return record.SerializeAsString(); }

// Whether the two differ in nothing but what is heard from claimants that came too late.
bool SameButHeard(Record one, Record other) {
  for (Record* record : {&one, &other}) {
    record->clear_late_outcomes();
    record->clear_late_outcome_count();
    record->clear_duplicate_effect_suspected();
  }
  return Bytes(one) == Bytes(other);
}

// Whether the two differ in nothing but how often the lease was renewed.
bool SameButRenewed(Record one, Record other) {
  one.clear_renewals();
  other.clear_renewals();
  return Bytes(one) == Bytes(other);
}

// Each returns what is wrong, or null.

const char* L1OneHolder(const Transition& t) {
  if (t.step.granted && t.from == State::HELD) return "a grant was made while another one is live";
  if (t.to != State::HELD) return nullptr;
  if (t.after.attempt_id().empty()) return "the key is held by nobody";
  if (t.after.mode() == v1::Grant::MODE_UNSPECIFIED) return "the key is held in no mode";
  if (t.after.attempt_number() == 0) return "the key is held without a grant";
  return nullptr;
}

const char* L2TokensRise(const Transition& t) {
  if (t.what.kind == Kind::kCommit) {
    if (!t.key_before.token_pending || t.key_after.token_pending) return "no grant was committed";
    if (t.after.fencing_token() <= t.context.highest_token) {
      return "a grant's token is not above every earlier one";
    }
    return nullptr;
  }
  if (t.step.granted) {
    if (!t.key_after.token_pending || t.after.fencing_token() != 0) {
      return "a new grant has a token before its commit";
    }
    return nullptr;
  }
  if (t.from == State::ABSENT || t.to == State::ABSENT) return nullptr;
  if (t.after.fencing_token() != t.before.fencing_token()) return "a token changed without a grant";
  return nullptr;
}

const char* L3OneOwner(const Transition& t) {
  const bool committed = t.what.kind == Kind::kCommit;
  if (!committed && t.after.fencing_token() > t.context.highest_token) {
    return "a record has a token that was never issued";
  }
  if (t.step.granted || t.from == State::ABSENT || t.to == State::ABSENT) return nullptr;
  if (t.after.attempt_id() != t.before.attempt_id() ||
      t.after.holder_id() != t.before.holder_id()) {
    return "a token changed its owner";
  }
  const bool same_grant = t.after.mode() == t.before.mode() &&
                          t.after.attempt_number() == t.before.attempt_number() &&
                          (!t.live_after() || t.after.on_lapse() == t.before.on_lapse());
  return same_grant ? nullptr : "a grant changed after it was made";
}

const char* L4NoEarlyEnd(const Transition& t) {
  const MonotonicTime now = t.context.now.monotonic;
  if (t.what.kind == Kind::kLapse && t.from == State::HELD && now < t.key_before.lease_deadline) {
    return "a lease ended before its time";
  }
  if (t.to != State::HELD || !t.decided()) return nullptr;
  if (t.from == State::HELD && t.key_after.lease_deadline < t.key_before.lease_deadline) {
    return "a lease was shortened";
  }
  const bool counted = t.step.granted || (t.what.kind == Kind::kRenewLease && !t.step.refusal);
  const Duration granted = Duration(t.after.granted_lease_nanos());
  if (counted && t.key_after.lease_deadline < now + t.what.lease_duration.value_or(granted)) {
    return "a lease is shorter than was asked for and answered";
  }
  return nullptr;
}

const char* L5PromisesAreKept(const Transition& t) {
  if (t.to != State::HELD) return nullptr;
  const MonotonicTime now = t.context.now.monotonic;
  const Duration promised = Duration(t.after.promised_lease_nanos());
  if (t.step.lease_deadline && *t.step.lease_deadline > now + promised) {
    return "a reply promises more than a restart would give again";
  }
  if (t.step.lease_deadline && *t.step.lease_deadline > t.key_after.lease_deadline) {
    return "a reply promises more than the lease";
  }
  if (t.what.kind == Kind::kRestart && t.key_after.lease_deadline < now + promised) {
    return "a restart did not give back what was promised";
  }
  if (t.from == State::HELD && !t.step.granted &&
      t.after.promised_lease_nanos() < t.before.promised_lease_nanos()) {
    return "a promise was taken back";
  }
  return nullptr;
}

const char* L6NoResurrection(const Transition& t) {
  if (!t.decided()) return nullptr;
  if (t.to == State::HELD && t.from != State::HELD && !t.step.granted) {
    return "a lease that had ended lives again";
  }
  if (t.what.kind != Kind::kRenewLease) return nullptr;
  if (t.from != t.to) return "a renewal changed the state";
  if (!t.step.refusal && (t.from != State::HELD || !t.newest_token())) {
    return "something else than the live grant was renewed";
  }
  return nullptr;
}

const char* L7OnlyTheNewestReleases(const Transition& t) {
  if (t.from == t.to) return nullptr;
  switch (t.what.kind) {
    case Kind::kRelease:
      if (!t.newest_token()) return "a token that is not the newest released the key";
      return nullptr;
    case Kind::kReleaseAttempt:
      if (t.what.attempt_id != t.before.attempt_id()) return "another attempt released the key";
      [[fallthrough]];
    case Kind::kUndoGrant:
      return t.unused() ? nullptr : "a grant was taken back that its holder has used";
    default:
      return nullptr;
  }
}

const char* I1OneClaimant(const Transition& t) {
  if (t.step.granted && t.from == State::COMPLETED) return "a completed key was granted";
  const bool asks = t.what.kind == Kind::kAcquireLock || t.what.kind == Kind::kCheckResult ||
                    t.what.kind == Kind::kGetRecord;
  const bool renewed_elsewhere = t.what.kind == Kind::kAcquireLock &&
                                 t.key_before.lease_elsewhere && SameButRenewed(t.before, t.after);
  if (asks && !t.step.granted && !t.only_forgotten() && t.changed && !renewed_elsewhere) {
    return "a call that was granted nothing changed the record";
  }
  return nullptr;
}

const char* I2ResultsStay(const Transition& t) {
  if (t.to == State::COMPLETED && !t.after.has_result()) return "a completed key has no result";
  if (t.to != State::COMPLETED && t.after.state() != State::COMPLETED && t.after.has_result()) {
    return "a key that is not completed has a result";
  }
  if (t.to == State::COMPLETED && t.from != State::COMPLETED) {
    const bool recorded =
        t.what.kind == Kind::kRecordResult || t.what.kind == Kind::kResolveOutcome;
    if (!recorded || !t.live_before()) return "a key completed without a result from its run";
  }
  if (t.from != State::COMPLETED) return nullptr;
  if (t.to != State::COMPLETED) {
    return t.what.kind == Kind::kDeleteRecord ? nullptr : "a completed key was undone";
  }
  if (t.before.result().SerializeAsString() != t.after.result().SerializeAsString()) {
    return "a recorded result changed";
  }
  return nullptr;
}

const char* I3StaleChangesNothing(const Transition& t) {
  if (t.what.fencing_token == 0 || !t.decided() || t.from == State::ABSENT || t.newest_token()) {
    return nullptr;
  }
  if (t.what.kind == Kind::kUndoGrant) {
    return t.changed ? "a grant was taken back by another token" : nullptr;
  }
  if (!t.step.refusal || t.step.refusal->reason != v1::Refusal::STALE_FENCING_TOKEN) {
    return "a token that is not the newest was not refused";
  }
  const bool heard = t.what.kind == Kind::kRecordResult &&
                     t.what.fencing_token <= t.context.highest_token &&
                     SameButHeard(t.before, t.after);
  return !t.changed || heard ? nullptr : "a stale claimant changed the record";
}

const char* I4OtherFingerprintRefused(const Transition& t) {
  if (t.from == State::ABSENT) return nullptr;
  if (t.to != State::ABSENT && !t.new_run() && !t.before.fingerprint().empty() &&
      t.before.fingerprint() != t.after.fingerprint()) {
    return "the fingerprint of a run changed";
  }
  if (t.what.fingerprint.empty() || t.before.fingerprint().empty() ||
      t.what.fingerprint == t.before.fingerprint()) {
    return nullptr;
  }
  if (!t.step.refusal || t.step.refusal->reason != v1::Refusal::FINGERPRINT_MISMATCH) {
    return "another fingerprint was not refused";
  }
  return t.step.refusal->metadata.empty() ? nullptr
                                          : "a refused fingerprint was told about the key";
}

// Whether the command may end a run whose effect is not known to be recorded.
bool MayEndRun(const Transition& t) {
  const bool execute = t.before.mode() == v1::Grant::EXECUTE;
  const bool held = t.from == State::HELD;
  switch (t.what.kind) {
    case Kind::kRelease:
      switch (t.what.effect) {
        case v1::ReleaseRequest::RUN_NOT_EXECUTED:
          return true;
        case v1::ReleaseRequest::NOT_EXECUTED:
          return execute;
        case v1::ReleaseRequest::UNKNOWN:
          return held && t.harmless() && t.before.on_lapse() == v1::AcquireLockRequest::FORGET;
        default:
          return held && execute && !t.before.effect_started();
      }
    case Kind::kReleaseAttempt:
    case Kind::kUndoGrant:
      return execute && t.unused();
    case Kind::kLapse:
    case Kind::kForceRelease:
      if (t.before.on_lapse() == v1::AcquireLockRequest::FORGET_UNLESS_STARTED) {
        return held && t.harmless() && !t.before_restore();
      }
      return held && t.harmless() && t.before.on_lapse() == v1::AcquireLockRequest::FORGET;
    case Kind::kResolveOutcome:
      return t.from == State::IN_DOUBT && t.what.not_executed;
    default:
      return false;
  }
}

const char* I5OneExecution(const Transition& t) {
  if (t.step.granted) {
    const bool execute = t.after.mode() == v1::Grant::EXECUTE;
    if (execute && t.from != State::ABSENT) return "a run got a second EXECUTE grant";
    if (execute && t.after.attempt_number() != 1) return "an EXECUTE grant is not its run's first";
    const Restore& restore = t.context.restore;
    if (execute && restore.in_doubt &&
        t.what.first_sent_at.value_or(WallTime::min()) <= restore.at) {
      return "a key that a restore may have forgotten got an EXECUTE grant";
    }
    if (!execute && t.from == State::ABSENT && (!restore.in_doubt || !t.after.doubted())) {
      return "a run began in mode RECOVER without doubt";
    }
    if (t.from == State::IN_DOUBT && t.after.attempt_number() != t.before.attempt_number() + 1) {
      return "a grant was not counted";
    }
  }
  if (t.live_before() && t.to == State::ABSENT && !MayEndRun(t)) {
    return "a run ended while its outcome is open";
  }
  if (!t.same_run()) return nullptr;
  if ((t.before.doubted() && !t.after.doubted()) ||
      (t.before.effect_started() && !t.after.effect_started())) {
    return "a run lost its doubt or its mark";
  }
  if (t.to == State::IN_DOUBT && !t.after.doubted()) return "a key in doubt does not remember it";
  if (t.after.created_at_nanos() != t.before.created_at_nanos() ||
      t.after.downstream_key_ttl_nanos() != t.before.downstream_key_ttl_nanos()) {
    return "what the first grant fixed for the run changed";
  }
  return nullptr;
}

const char* I6NothingGoesEarly(const Transition& t) {
  if (t.live_after() &&
      IsForgotten(t.after, *t.context.limits, *t.context.settings, WallTime::max())) {
    return "a live record can be forgotten";
  }
  const WallTime kept_until = WallTimeFromNanos(t.before.state_since_nanos()) +
                              t.context.settings->key_retention +
                              t.context.limits->key_retention_slack;
  if (t.before.state() == State::COMPLETED && t.from == State::ABSENT &&
      t.context.now.retention < kept_until) {
    return "a result is forgotten early";
  }
  if (t.step.granted && t.from == State::ABSENT && t.what.first_sent_at &&
      *t.what.first_sent_at <= std::max(t.context.now.retention - t.context.settings->key_retention,
                                        t.context.horizon)) {
    return "a late comer was taken for new";
  }
  if (t.same_run() && t.after.late_outcomes_size() < t.before.late_outcomes_size()) {
    return "a late outcome was lost";
  }
  if (t.same_run() && t.before.duplicate_effect_suspected() &&
      !t.after.duplicate_effect_suspected()) {
    return "a suspicion was lost";
  }
  if (t.live_before() && t.to == State::ABSENT && t.before.late_outcomes_size() > 0 &&
      t.after.audit_size() == 0) {
    return "late outcomes did not reach the audit log";
  }
  const bool aged = t.context.now.retention - WallTimeFromNanos(t.before.state_since_nanos()) >=
                    t.context.limits->audit_retention;
  if (t.after.audit_size() < t.before.audit_size() && !aged) return "an audit entry was lost";
  return nullptr;
}

const char* D1ChangesAreDurable(const Transition& t) {
  if (!t.decided() || (t.only_forgotten() && !t.step.durable)) return nullptr;
  if (t.changed && !t.step.durable) return "a change of the record need not be durable";
  if (!t.changed && t.step.durable) return "a write was asked for without a change";
  return nullptr;
}

struct Rule {
  std::string_view name;
  const char* (*broken)(const Transition&);
};

constexpr std::array kRules = {
    Rule{"L1", L1OneHolder},
    Rule{"L2", L2TokensRise},
    Rule{"L3", L3OneOwner},
    Rule{"L4", L4NoEarlyEnd},
    Rule{"L5", L5PromisesAreKept},
    Rule{"L6", L6NoResurrection},
    Rule{"L7", L7OnlyTheNewestReleases},
    Rule{"I1", I1OneClaimant},
    Rule{"I2", I2ResultsStay},
    Rule{"I3", I3StaleChangesNothing},
    Rule{"I4", I4OtherFingerprintRefused},
    Rule{"I5", I5OneExecution},
    Rule{"I6", I6NothingGoesEarly},
    Rule{"D1", D1ChangesAreDurable},
};

State::State VisibleState(const KeyState& key, const Context& context) {
  if (!key.record ||
      IsForgotten(*key.record, *context.limits, *context.settings, context.now.retention)) {
    return State::ABSENT;
  }
  return key.record->state();
}

}  // namespace

std::optional<Invariants::Violation> Invariants::Check(const KeyState& before,
                                                       const KeyState& after, const Step& step,
                                                       const Context& context,
                                                       const CommandSummary& what) {
  const Record& none = Record::default_instance();
  const Record& record_before = before.record ? *before.record : none;
  const Record& record_after = after.record ? *after.record : none;
  const bool changed = before.record.has_value() != after.record.has_value() ||
                       Bytes(record_before) != Bytes(record_after);
  const Transition transition{before,
                              after,
                              step,
                              context,
                              what,
                              record_before,
                              record_after,
                              VisibleState(before, context),
                              VisibleState(after, context),
                              changed};
  for (const Rule& rule : kRules) {
    if (const char* sentence = rule.broken(transition)) return Violation{rule.name, sentence};
  }
  return std::nullopt;
}

std::optional<Invariants::Violation> Invariants::CheckSame(const KeyState& one,
                                                           const Step& one_step,
                                                           const KeyState& other,
                                                           const Step& other_step) {
  const Record& none = Record::default_instance();
  const bool same_key =
      one.record.has_value() == other.record.has_value() &&
      Bytes(one.record ? *one.record : none) == Bytes(other.record ? *other.record : none) &&
      one.lease_deadline == other.lease_deadline && one.stall_extension == other.stall_extension &&
      one.token_pending == other.token_pending;
  if (!same_key) return Violation{"S1", "the same command left two different records"};
  const auto reason = [](const Step& step) {
    return step.refusal ? step.refusal->reason : v1::Refusal::REASON_UNSPECIFIED;
  };
  const bool same_step =
      reason(one_step) == reason(other_step) && one_step.durable == other_step.durable &&
      one_step.wait == other_step.wait && one_step.granted == other_step.granted &&
      one_step.lease_deadline == other_step.lease_deadline &&
      one_step.ended_attempt == other_step.ended_attempt &&
      one_step.former_attempt == other_step.former_attempt && one_step.lapsed == other_step.lapsed;
  if (!same_step) return Violation{"S1", "the same command got two different answers"};
  return std::nullopt;
}

Step Invariants::Lapse(KeyState& key, const Context& context, std::optional<Violation>* violation) {
  const KeyState before = key;
  Step step = latchkey::Lapse(key, context);
  CommandSummary what;
  what.kind = Kind::kLapse;
  *violation = Check(before, key, step, context, what);
  return step;
}

Step Invariants::UndoGrant(KeyState& key, std::uint64_t fencing_token, const Context& context,
                           std::optional<Violation>* violation) {
  const KeyState before = key;
  Step step = latchkey::UndoGrant(key, fencing_token, context);
  CommandSummary what;
  what.kind = Kind::kUndoGrant;
  what.fencing_token = fencing_token;
  *violation = Check(before, key, step, context, what);
  return step;
}

}  // namespace latchkey
