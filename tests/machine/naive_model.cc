#include "tests/machine/naive_model.h"

#include <algorithm>
#include <utility>

namespace latchkey::naive {
namespace {

Answer Refuse(const std::string& reason) {
  Answer answer;
  answer.refusal = reason;
  return answer;
}

// Cuts at a character boundary: never inside a UTF-8 sequence.
bool CutTo(std::size_t limit, std::string* text) {
  if (text->size() <= limit) return false;
  std::size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>((*text)[end]) & 0xC0) == 0x80) --end;
  text->resize(end);
  return true;
}

bool SameReport(const Late& one, const Late& other) {
  return one.token == other.token && one.outcome == other.outcome && one.code == other.code &&
         one.reference == other.reference;
}

Audit Signed(Audit who, Token token, const World& world) {
  who.token = token;
  who.at = world.retention;
  return who;
}

}  // namespace

// Rule 16: a completed key is forgotten one day after its key retention.
State Model::Visible(const World& world) const {
  if (stored_.state != State::kCompleted) return stored_.state;
  const Nanos end = stored_.result->recorded_at + settings_.key_retention + settings_.slack;
  return world.retention >= end ? State::kAbsent : State::kCompleted;
}

// Nobody is told of it and it need not be durable: whoever looks again sees the same.
State Model::Look(const World& world) {
  if (Visible(world) != stored_.state) EndRun(world);
  return stored_.state;
}

bool Model::KeyExpired(const World& world) const {
  return world.retention >= stored_.result->recorded_at + settings_.key_retention;
}

bool Model::TooOld(std::optional<Nanos> first_sent_at, const World& world) const {
  const Nanos oldest = std::max(world.retention - settings_.key_retention, world.horizon);
  return first_sent_at && *first_sent_at <= oldest;
}

bool Model::OtherFingerprint(const std::string& fingerprint) const {
  return !fingerprint.empty() && !stored_.fingerprint.empty() && fingerprint != stored_.fingerprint;
}

// What is stored must be made durable exactly when it changed.
Answer Model::Finish(Answer answer, const Stored& before) const {
  answer.durable = !(before == stored_);
  return answer;
}

Answer Model::Acquire(const AcquireCall& call, const World& world) {
  const State state = Look(world);
  const Stored before = stored_;
  if (state != State::kAbsent && OtherFingerprint(call.fingerprint)) {
    return Refuse("FINGERPRINT_MISMATCH");
  }
  if (state == State::kCompleted) {
    return KeyExpired(world) ? Refuse("KEY_EXPIRED") : AnswerCompleted(world);
  }
  const bool same_attempt = stored_.attempt == call.attempt && stored_.holder == call.holder;
  if (state == State::kHeld && same_attempt) return AnswerGrant(world, true);
  if (world.attempt_ended) return Refuse("ATTEMPT_ENDED");
  if (state == State::kAbsent) {
    if (TooOld(call.first_sent_at, world)) return Refuse("KEY_EXPIRED");
    if (!world.creation_refusal.empty()) return Refuse(world.creation_refusal);
    if (MayBeForgotten(call, world)) return GoOnWithForgotten(call, world);
    Begin(call, world);
    return Finish(AnswerGrant(world, false), before);
  }
  if (state == State::kInDoubt && call.accept_recover) {
    AwaitForgottenLeases(world);
    GrantTo(call, false, world);
    Answer answer = AnswerGrant(world, false);
    // Rule 5: a superseded attempt's late duplicate is refused.
    if (before.attempt != call.attempt) answer.ended_attempt = before.attempt;
    return Finish(answer, before);
  }
  Answer answer;
  answer.wait = call.wait > 0;
  answer.contention =
      Contention{stored_.holder, state == State::kInDoubt, world.waiters + 1, world.waiters};
  return answer;
}

void Model::Begin(const AcquireCall& call, const World& world) {
  Stored fresh;
  fresh.audit = stored_.audit;
  fresh.created = world.retention;
  fresh.ttl = call.ttl.value_or(settings_.ttl);
  stored_ = fresh;
  GrantTo(call, true, world);
}

void Model::GrantTo(const AcquireCall& call, bool execute, const World& world) {
  stored_.previous = stored_.holder;
  stored_.state = State::kHeld;
  stored_.since = world.retention;
  stored_.token = 0;
  stored_.holder = call.holder;
  stored_.attempt = call.attempt;
  stored_.execute = execute;
  stored_.seen = false;
  stored_.number += 1;
  stored_.on_lapse = call.on_lapse;
  stored_.granted = stored_.promised = call.lease;
  if (stored_.fingerprint.empty()) stored_.fingerprint = call.fingerprint;
  deadline_ = world.monotonic + call.lease;
  pending_ = true;
}

Answer Model::AnswerGrant(const World& world, bool replayed) const {
  Grant grant;
  grant.token = stored_.token;
  grant.execute = stored_.execute && !(replayed && stored_.seen);
  grant.replayed = replayed;
  grant.number = stored_.number;
  grant.checkpoint = stored_.checkpoint;
  grant.previous = stored_.previous;
  grant.downstream_remaining = std::max<Nanos>(0, stored_.created + stored_.ttl - world.latest);
  grant.resend = !grant.execute && grant.downstream_remaining > 0;
  if (!grant.execute && stored_.doubt_since != 0) {
    const Nanos since = std::max(stored_.doubt_since, world.steady_since);
    grant.doubt_age = std::max<Nanos>(0, world.retention - since);
  }
  grant.lates = stored_.lates;
  Answer answer;
  answer.granted = !replayed;
  answer.grant = grant;
  answer.deadline = deadline_;
  return answer;
}

Completed Model::ShowResult(const World& world) const {
  const Nanos age = world.retention - stored_.result->recorded_at;
  return {*stored_.result, age >= stored_.result->retention && !stored_.result->omitted, 0, 0};
}

bool Model::SameResult(const Report& report) const {
  const Result sent = Cut(report);
  const Result& kept = *stored_.result;
  return sent.outcome == kept.outcome && sent.code == kept.code &&
         sent.reference == kept.reference && sent.content_type == kept.content_type &&
         sent.payload == kept.payload;
}

Answer Model::AnswerCompleted(const World& world) const {
  Completed completed = ShowResult(world);
  const Nanos age = world.retention - stored_.result->recorded_at;
  completed.body_left = std::max<Nanos>(0, stored_.result->retention - age);
  completed.key_left = std::max<Nanos>(0, settings_.key_retention - age);
  Answer answer;
  answer.completed = completed;
  return answer;
}

Answer Model::Renew(const RenewCall& call, const World& world) {
  const State state = Look(world);
  const Stored before = stored_;
  if (state == State::kAbsent) return Refuse("KEY_UNKNOWN");
  if (call.token != stored_.token) return Refuse("STALE_FENCING_TOKEN");
  if (state == State::kCompleted) return Refuse("ALREADY_COMPLETED");
  if (state == State::kInDoubt) return Refuse("LEASE_EXPIRED");
  stored_.seen = true;
  // Rule 14: a full disk refuses growing checkpoints.
  if (world.creation_refusal == "STORAGE_FULL" && call.checkpoint &&
      call.checkpoint->size() > stored_.checkpoint.size()) {
    return Finish(Refuse("STORAGE_FULL"), before);
  }
  const Nanos lease = call.lease.value_or(stored_.granted);
  deadline_ = std::max(deadline_, world.monotonic + lease);
  stored_.promised = std::max(stored_.promised, lease);
  if (call.started) stored_.marked = true;
  if (call.checkpoint) stored_.checkpoint = *call.checkpoint;
  Answer answer;
  answer.deadline = deadline_;
  return Finish(answer, before);
}

Answer Model::Check(const std::string& fingerprint, std::optional<Nanos> first_sent_at, Nanos wait,
                    const World& world) {
  const State state = Look(world);
  if (state == State::kAbsent) {
    if (TooOld(first_sent_at, world)) return Refuse("KEY_EXPIRED");
    Answer answer;
    answer.state = state;
    answer.wait = wait > 0;
    return answer;
  }
  if (OtherFingerprint(fingerprint)) return Refuse("FINGERPRINT_MISMATCH");
  if (state == State::kCompleted && KeyExpired(world)) return Refuse("KEY_EXPIRED");
  Answer answer;
  if (state == State::kCompleted) answer = AnswerCompleted(world);
  answer.state = state;
  answer.wait = wait > 0 && state != State::kCompleted;
  answer.number = stored_.number;
  answer.holder = stored_.holder;
  return answer;
}

// Rule 10: nothing is refused for its size.
Result Model::Cut(const Report& report) const {
  Result result;
  result.outcome = report.outcome;
  result.code = report.code;
  result.reference = report.reference;
  result.content_type = report.content_type;
  result.payload = report.payload;
  const bool code = CutTo(settings_.code, &result.code);
  const bool reference = CutTo(settings_.reference, &result.reference);
  const bool content_type = CutTo(settings_.content_type, &result.content_type);
  result.truncated = code || reference || content_type;
  result.omitted = report.payload.size() > settings_.payload;
  const Nanos retention = report.retention.value_or(settings_.payload_retention);
  result.retention = std::clamp<Nanos>(retention, 0, settings_.key_retention);
  return result;
}

Answer Model::Record(const Report& report, const World& world) {
  const State state = Look(world);
  const Stored before = stored_;
  if (state == State::kAbsent) {
    Answer answer = Refuse("KEY_UNKNOWN");
    if (report.token <= world.highest) answer.late_kept = KeepOrphan(report, world);
    return Finish(answer, before);
  }
  Answer answer;
  if (report.token != stored_.token) {
    answer.refusal = "STALE_FENCING_TOKEN";
    if (report.token <= world.highest) KeepLate(report, world, &answer);
    return Finish(answer, before);
  }
  if (state == State::kCompleted) {
    if (SameResult(report)) {
      answer.already_recorded = true;
      answer.late = stored_.result->late;
      answer.completed = ShowResult(world);
      return answer;
    }
    answer.refusal = "RESULT_CONFLICT";
    KeepLate(report, world, &answer);
    return Finish(answer, before);
  }
  Complete(report, state == State::kInDoubt, world, &answer);
  answer.late = stored_.result->late;
  answer.completed = ShowResult(world);
  return Finish(answer, before);
}

void Model::Complete(const Report& report, bool late, const World& world, Answer* answer) {
  Result result = Cut(report);
  result.recorded_at = world.retention;
  result.late = late;
  stored_.result = result;
  stored_.state = State::kCompleted;
  stored_.since = world.retention;
  // What only a holder needs goes.
  stored_.on_lapse = OnLapse::kInDoubt;
  stored_.granted = stored_.promised = 0;
  stored_.seen = false;
  Suspect(std::nullopt, answer);
}

// Rule 7: of a key that is gone, the audit log hears.
bool Model::KeepOrphan(const Report& report, const World& world) {
  const Late late = ToLate(report, world);
  for (const Audit& entry : stored_.audit) {
    if (entry.heard && SameReport(*entry.heard, late)) return false;
  }
  AddAudit({"RecordResult", "", "", late.token, late.at, late});
  stored_.since = world.retention;
  return true;
}

Late Model::ToLate(const Report& report, const World& world) const {
  const Result cut = Cut(report);
  return {report.token, cut.outcome, cut.code, cut.reference, world.retention};
}

// Rule 7.
void Model::KeepLate(const Report& report, const World& world, Answer* answer) {
  const Late late = ToLate(report, world);
  for (const Late& kept : stored_.lates) {
    if (SameReport(kept, late)) return;
  }
  stored_.late_count += 1;
  answer->late_kept = true;
  if (stored_.lates.size() < settings_.lates) stored_.lates.push_back(late);
  Suspect(late, answer);
}

// Collects every success anybody reported, and asks whether two of them can be one effect.
void Model::Suspect(const std::optional<Late>& unkept, Answer* answer) {
  std::vector<Late> lates = stored_.lates;
  if (unkept && (lates.empty() || !(lates.back() == *unkept))) lates.push_back(*unkept);
  std::vector<std::string> references;
  bool late_success = false;
  for (const Late& late : lates) {
    if (late.outcome != Outcome::kSucceeded) continue;
    late_success = true;
    references.push_back(late.reference);
  }
  bool suspected = false;
  if (stored_.result && stored_.result->outcome == Outcome::kRejected) suspected = late_success;
  if (stored_.result && stored_.result->outcome == Outcome::kSucceeded) {
    references.push_back(stored_.result->reference);
  }
  for (std::size_t i = 0; i < references.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (references[i].empty() || references[i] != references[j]) suspected = true;
    }
  }
  if (!suspected || stored_.suspected) return;
  stored_.suspected = true;
  answer->newly_suspected = true;
}

Answer Model::Release(Token token, Effect effect, const World& world) {
  const State state = Look(world);
  const Stored before = stored_;
  Answer answer;
  answer.state = state;
  if (state == State::kAbsent) {
    return token <= world.highest ? answer : Refuse("KEY_UNKNOWN");
  }
  if (token != stored_.token) return Refuse("STALE_FENCING_TOKEN");
  if (state == State::kCompleted) return answer;
  const bool held = state == State::kHeld;
  if (held || effect != Effect::kUnset) answer.ended_attempt = stored_.attempt;
  if (effect == Effect::kUnset) {
    effect = held && stored_.execute && !stored_.marked ? Effect::kNotExecuted : Effect::kUnknown;
  }
  bool over = effect == Effect::kRunNotExecuted;
  if (effect == Effect::kNotExecuted && stored_.execute) over = true;
  if (effect == Effect::kUnknown && held && stored_.execute && !stored_.marked &&
      stored_.on_lapse == OnLapse::kForget) {
    over = true;
  }
  if (over) {
    EndRun(world);
  } else if (held) {
    Doubt(world);
  }
  answer.state = stored_.state;
  return Finish(answer, before);
}

Answer Model::ReleaseAttempt(const std::string& attempt, const World& world) {
  Answer answer;
  answer.state = Look(world);
  const Stored before = stored_;
  answer.ended_attempt = attempt;
  if (answer.state != State::kHeld || stored_.attempt != attempt) return answer;
  if (stored_.seen) {
    answer.ended_attempt.clear();
    return answer;
  }
  stored_.execute ? EndRun(world) : Doubt(world);
  answer.state = stored_.state;
  return Finish(answer, before);
}

Answer Model::Resolve(const Report& report, const Audit& who, const World& world) {
  const State state = Look(world);
  const Stored before = stored_;
  if (state != State::kAbsent && report.token != stored_.token) {
    return Refuse("STALE_FENCING_TOKEN");
  }
  Answer answer;
  answer.state = state;
  if (state != State::kInDoubt) {
    return Repeats(report) ? answer : Refuse("NOT_IN_DOUBT");
  }
  if (report.outcome == Outcome::kNotExecuted) {
    AddAudit(Signed(who, report.token, world));
    answer.former_attempt = stored_.attempt;
    EndRun(world);
  } else {
    Complete(report, false, world, &answer);
    AddAudit(Signed(who, report.token, world));
  }
  resolved_ = report;
  answer.state = stored_.state;
  return Finish(answer, before);
}

// Whether the key is as this very resolution left it.
bool Model::Repeats(const Report& report) const {
  if (!resolved_ || resolved_->token != report.token || resolved_->outcome != report.outcome) {
    return false;
  }
  if (report.outcome == Outcome::kNotExecuted) return stored_.state == State::kAbsent;
  return stored_.state == State::kCompleted && SameResult(report);
}

Answer Model::ForceRelease(Token token, const Audit& who, const World& world) {
  const State state = Look(world);
  const Stored before = stored_;
  Answer answer;
  answer.state = state;
  if (state == State::kAbsent) return token <= world.highest ? answer : Refuse("KEY_UNKNOWN");
  if (token != stored_.token) return Refuse("STALE_FENCING_TOKEN");
  if (state != State::kHeld) return answer;
  answer.unsafe_for = std::max<Nanos>(0, deadline_ - world.monotonic);
  AddAudit(Signed(who, token, world));
  LoseLease(world, &answer);
  answer.state = stored_.state;
  return Finish(answer, before);
}

Answer Model::Delete(Token token, const Audit& who, const World& world) {
  const State state = Look(world);
  const Stored before = stored_;
  if (state == State::kAbsent) return token <= world.highest ? Answer() : Refuse("KEY_UNKNOWN");
  if (token != stored_.token) return Refuse("STALE_FENCING_TOKEN");
  if (state != State::kCompleted) return Refuse("RECORD_LIVE");
  AddAudit(Signed(who, token, world));
  EndRun(world);
  Answer answer;
  answer.former_attempt = before.attempt;
  return Finish(answer, before);
}

Answer Model::Lapse(const World& world) {
  const Stored before = stored_;
  Answer answer;
  LoseLease(world, &answer);
  return Finish(answer, before);
}

void Model::LoseLease(const World& world, Answer* answer) {
  answer->lapsed = true;
  answer->lapsed_started = stored_.marked;
  const bool marked_unheard = stored_.token <= world.restored;
  const bool forget = stored_.on_lapse == OnLapse::kForget ||
                      (stored_.on_lapse == OnLapse::kForgetUnlessStarted && !marked_unheard);
  if (stored_.execute && !stored_.marked && !stored_.doubted && forget) {
    answer->former_attempt = stored_.attempt;
    EndRun(world);
  } else {
    Doubt(world);
  }
}

Answer Model::Undo(Token token, const World& world) {
  const Stored before = stored_;
  if (stored_.state == State::kHeld && stored_.token == token && !stored_.seen) {
    stored_.execute ? EndRun(world) : Doubt(world);
  }
  return Finish(Answer(), before);
}

void Model::Doubt(const World& world) {
  stored_.state = State::kInDoubt;
  stored_.doubted = true;
  stored_.since = world.retention;
  stored_.doubt_since = std::max(stored_.doubt_since, world.retention);
}

// Nothing of the run stays but what people must be able to read.
void Model::EndRun(const World& world) {
  Stored absent;
  absent.audit = stored_.audit;
  const std::vector<Late> lates = stored_.lates;
  stored_ = absent;
  for (const Late& late : lates) {
    AddAudit({"RecordResult", "", "", late.token, late.at, late});
  }
  if (!stored_.audit.empty()) stored_.since = world.retention;
  pending_ = false;
}

void Model::AddAudit(Audit entry) {
  stored_.audit.push_back(std::move(entry));
  if (stored_.audit.size() > settings_.audits) stored_.audit.erase(stored_.audit.begin());
}

}  // namespace latchkey::naive
