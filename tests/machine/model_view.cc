#include "tests/machine/model_view.h"

#include <map>
#include <sstream>

#include "server/machine/proto_time.h"
#include <openssl/sha.h>

namespace latchkey::naive {
namespace {

Nanos NanosOf(const google::protobuf::Duration& duration) {
  return FromProto(duration).value_or(Duration(-1)).count();
}

Nanos NanosOf(const google::protobuf::Timestamp& time) {
  const auto wall = FromProto(time);
  return wall ? ToNanos(*wall) : -1;
}

Outcome ViewOutcome(v1::Result::Outcome outcome) {
  return outcome == v1::Result::SUCCEEDED ? Outcome::kSucceeded : Outcome::kRejected;
}

std::vector<Late> ViewLates(const google::protobuf::RepeatedPtrField<v1::LateOutcome>& lates) {
  std::vector<Late> result;
  for (const v1::LateOutcome& late : lates) {
    result.push_back({late.fencing_token(), ViewOutcome(late.outcome()), late.code(),
                      late.provider_reference(), NanosOf(late.received_at())});
  }
  return result;
}

Result ViewStored(const storage::v1::StoredResult& stored) {
  Result result;
  result.outcome = ViewOutcome(stored.outcome());
  result.code = stored.code();
  result.reference = stored.provider_reference();
  result.content_type = stored.content_type();
  result.omitted = stored.body_omitted();
  result.truncated = stored.truncated();
  result.late = stored.late();
  result.recorded_at = stored.recorded_at_nanos();
  result.retention = stored.payload_retention_nanos();
  // The digest is stored where the payload is not.
  result.payload =
      stored.payload_digest().empty() ? stored.payload() : SentPayload(stored.payload_digest());
  return result;
}

// A reply's result says neither how long the payload is kept nor is it compared on that.
Result ViewReply(const v1::Result& reply) {
  Result result;
  result.outcome = ViewOutcome(reply.outcome());
  result.code = reply.code();
  result.reference = reply.provider_reference();
  result.content_type = reply.content_type();
  result.omitted = reply.body_omitted();
  result.truncated = reply.truncated();
  result.late = reply.late();
  result.recorded_at = NanosOf(reply.recorded_at());
  result.payload = SentPayload(reply.payload_digest());
  return result;
}

std::string Bytes(const std::string& text) { return "\"" + text + "\""; }

// Collects the lines of a difference.
class Lines {
 public:
  template <class T>
  void Add(const char* field, const T& real, const T& model) {
    if (real == model) return;
    out_ << "  " << field << ": real ";
    Show(real);
    out_ << ", model ";
    Show(model);
    out_ << "\n";
  }
  std::string text() const { return out_.str(); }

 private:
  void Show(const std::string& value) { out_ << Bytes(value); }
  void Show(State value) { out_ << static_cast<int>(value); }
  void Show(OnLapse value) { out_ << static_cast<int>(value); }
  void Show(const Late& late) {
    out_ << late.token << "/" << static_cast<int>(late.outcome) << "/" << late.code << "/"
         << late.reference << "@" << late.at;
  }
  void Show(const Audit& audit) {
    out_ << audit.action << "/" << audit.actor << "/" << audit.reason << "/" << audit.token << "@"
         << audit.at;
  }
  void Show(const Result& result) {
    out_ << static_cast<int>(result.outcome) << "/" << result.code << "/" << result.reference << "/"
         << result.content_type << "/" << result.payload << " at " << result.recorded_at << " for "
         << result.retention << " late=" << result.late << " omitted=" << result.omitted
         << " truncated=" << result.truncated;
  }
  void Show(const Grant& grant) {
    out_ << "token " << grant.token << (grant.execute ? " EXECUTE" : " RECOVER")
         << " resend=" << grant.resend << " replayed=" << grant.replayed << " number "
         << grant.number << " checkpoint " << Bytes(grant.checkpoint) << " previous "
         << Bytes(grant.previous) << " remaining " << grant.downstream_remaining << " doubt_age "
         << grant.doubt_age << " lates ";
    Show(grant.lates);
  }
  void Show(const Completed& completed) {
    Show(completed.result);
    out_ << " expired=" << completed.expired << " body_left=" << completed.body_left
         << " key_left=" << completed.key_left;
  }
  void Show(const Contention& contention) {
    out_ << Bytes(contention.holder) << " in_doubt=" << contention.in_doubt << " position "
         << contention.position << " waiters " << contention.waiters;
  }
  template <class T>
  void Show(const std::vector<T>& values) {
    out_ << "[";
    for (const T& value : values) {
      Show(value);
      out_ << "; ";
    }
    out_ << "]";
  }
  template <class T>
  void Show(const std::optional<T>& value) {
    if (value) {
      Show(*value);
    } else {
      out_ << "nothing";
    }
  }
  template <class T>
    requires std::is_arithmetic_v<T>
  void Show(T value) {
    out_ << value;
  }

  std::ostringstream out_;
};

}  // namespace

std::string SentPayload(const std::string& digest) {
  static const auto* const kSent = [] {
    auto* sent = new std::map<std::string, std::string>;
    for (const std::string payload : {"", "body", "other", "seventeen bytes.."}) {
      std::string sha(SHA256_DIGEST_LENGTH, '\0');
      SHA256(reinterpret_cast<const unsigned char*>(payload.data()), payload.size(),
             reinterpret_cast<unsigned char*>(sha.data()));
      (*sent)[sha] = payload;
    }
    return sent;
  }();
  const auto found = kSent->find(digest);
  return found == kSent->end() ? "(unknown)" : found->second;
}

State ViewState(v1::CheckResultResponse::State state) {
  switch (state) {
    case v1::CheckResultResponse::HELD:
      return State::kHeld;
    case v1::CheckResultResponse::IN_DOUBT:
      return State::kInDoubt;
    case v1::CheckResultResponse::COMPLETED:
      return State::kCompleted;
    default:
      return State::kAbsent;
  }
}

Stored ViewRecord(const KeyState& key) {
  Stored stored;
  if (!key.record) return stored;
  const storage::v1::Record& record = *key.record;
  stored.state = ViewState(record.state());
  stored.token = record.fencing_token();
  stored.holder = record.holder_id();
  stored.attempt = record.attempt_id();
  stored.execute = record.mode() == v1::Grant::EXECUTE;
  stored.seen = record.token_seen();
  stored.number = static_cast<int>(record.attempt_number());
  if (record.on_lapse() == v1::AcquireLockRequest::FORGET) stored.on_lapse = OnLapse::kForget;
  if (record.on_lapse() == v1::AcquireLockRequest::FORGET_UNLESS_STARTED) {
    stored.on_lapse = OnLapse::kForgetUnlessStarted;
  }
  stored.granted = record.granted_lease_nanos();
  stored.promised = record.promised_lease_nanos();
  stored.marked = record.effect_started();
  stored.doubted = record.doubted();
  stored.suspected = record.duplicate_effect_suspected();
  stored.fingerprint = record.fingerprint();
  stored.checkpoint = record.checkpoint();
  stored.previous = record.previous_holder_id();
  stored.ttl = record.downstream_key_ttl_nanos();
  stored.created = record.created_at_nanos();
  stored.since = record.state_since_nanos();
  stored.doubt_since = record.doubt_since_nanos();
  if (record.has_result()) stored.result = ViewStored(record.result());
  stored.lates = ViewLates(record.late_outcomes());
  stored.late_count = static_cast<int>(record.late_outcome_count());
  for (const v1::AuditEntry& entry : record.audit()) {
    // What the server itself says is prose.
    const bool by_server = entry.actor().empty();
    stored.audit.push_back({entry.action(), entry.actor(), by_server ? "" : entry.reason(),
                            entry.fencing_token(), NanosOf(entry.at()), std::nullopt});
  }
  return stored;
}

Answer ViewStep(const Step& step) {
  Answer answer;
  if (step.refusal) answer.refusal = v1::Refusal::Reason_Name(step.refusal->reason);
  answer.durable = step.durable;
  answer.wait = step.wait;
  answer.granted = step.granted;
  answer.lapsed = step.lapsed;
  answer.lapsed_started = step.lapsed_started;
  answer.late_kept = step.late_outcome_kept;
  answer.newly_suspected = step.duplicate_suspected;
  answer.ended_attempt = step.ended_attempt;
  answer.former_attempt = step.former_attempt;
  if (step.lease_deadline) answer.deadline = step.lease_deadline->time_since_epoch().count();
  return answer;
}

void View(const v1::AcquireLockResponse& response, Answer* answer) {
  if (response.has_grant()) {
    const v1::Grant& grant = response.grant();
    Grant seen;
    seen.token = grant.fencing_token();
    seen.execute = grant.mode() == v1::Grant::EXECUTE;
    seen.resend = grant.recover_action() == v1::Grant::RESEND_SAME_KEY;
    seen.replayed = grant.replayed();
    seen.number = static_cast<int>(grant.attempt_number());
    seen.checkpoint = grant.checkpoint();
    seen.previous = grant.previous_holder_id();
    seen.downstream_remaining = NanosOf(grant.downstream_key_remaining());
    seen.doubt_age = NanosOf(grant.doubt_age());
    seen.lates = ViewLates(grant.late_outcomes());
    answer->grant = seen;
  }
  if (response.has_completed()) {
    const v1::Completed& completed = response.completed();
    answer->completed =
        Completed{ViewReply(completed.result()), completed.result().body_expired(),
                  NanosOf(completed.body_expires_in()), NanosOf(completed.key_expires_in())};
  }
  if (response.has_contention()) {
    const v1::Contention& contention = response.contention();
    answer->contention = Contention{contention.holder_id(), contention.in_doubt(),
                                    static_cast<int>(contention.queue_position()),
                                    static_cast<int>(contention.waiters())};
  }
}

void View(const v1::CheckResultResponse& response, Answer* answer) {
  answer->state = ViewState(response.state());
  answer->number = static_cast<int>(response.attempt_number());
  answer->holder = response.holder_id();
  if (response.has_result()) {
    answer->completed =
        Completed{ViewReply(response.result()), response.result().body_expired(), 0, 0};
  }
}

void View(const v1::RecordResultResponse& response, Answer* answer) {
  answer->already_recorded = response.already_recorded();
  answer->late = response.late();
  if (response.has_result()) {
    answer->completed =
        Completed{ViewReply(response.result()), response.result().body_expired(), 0, 0};
  }
}

std::string Difference(const Answer& real, const Answer& model) {
  Lines lines;
  lines.Add("refusal", real.refusal, model.refusal);
  lines.Add("durable", real.durable, model.durable);
  lines.Add("wait", real.wait, model.wait);
  lines.Add("granted", real.granted, model.granted);
  lines.Add("lapsed", real.lapsed, model.lapsed);
  lines.Add("lapsed_started", real.lapsed_started, model.lapsed_started);
  lines.Add("late_outcome_kept", real.late_kept, model.late_kept);
  lines.Add("duplicate_suspected", real.newly_suspected, model.newly_suspected);
  lines.Add("lease_deadline", real.deadline, model.deadline);
  lines.Add("ended_attempt", real.ended_attempt, model.ended_attempt);
  lines.Add("former_attempt", real.former_attempt, model.former_attempt);
  lines.Add("state", real.state, model.state);
  lines.Add("grant", real.grant, model.grant);
  lines.Add("completed", real.completed, model.completed);
  lines.Add("contention", real.contention, model.contention);
  lines.Add("already_recorded", real.already_recorded, model.already_recorded);
  lines.Add("late", real.late, model.late);
  lines.Add("attempt_number", real.number, model.number);
  lines.Add("holder_id", real.holder, model.holder);
  lines.Add("unsafe_for", real.unsafe_for, model.unsafe_for);
  return lines.text();
}

std::string Difference(const Stored& real, const Stored& model) {
  Lines lines;
  lines.Add("state", real.state, model.state);
  lines.Add("token", real.token, model.token);
  lines.Add("holder_id", real.holder, model.holder);
  lines.Add("attempt_id", real.attempt, model.attempt);
  lines.Add("execute", real.execute, model.execute);
  lines.Add("token_seen", real.seen, model.seen);
  lines.Add("attempt_number", real.number, model.number);
  lines.Add("on_lapse", real.on_lapse, model.on_lapse);
  lines.Add("granted_lease", real.granted, model.granted);
  lines.Add("promised_lease", real.promised, model.promised);
  lines.Add("effect_started", real.marked, model.marked);
  lines.Add("doubted", real.doubted, model.doubted);
  lines.Add("suspected", real.suspected, model.suspected);
  lines.Add("fingerprint", real.fingerprint, model.fingerprint);
  lines.Add("checkpoint", real.checkpoint, model.checkpoint);
  lines.Add("previous_holder_id", real.previous, model.previous);
  lines.Add("downstream_key_ttl", real.ttl, model.ttl);
  lines.Add("created_at", real.created, model.created);
  lines.Add("state_since", real.since, model.since);
  lines.Add("doubt_since", real.doubt_since, model.doubt_since);
  lines.Add("result", real.result, model.result);
  lines.Add("late_outcomes", real.lates, model.lates);
  lines.Add("late_outcome_count", real.late_count, model.late_count);
  lines.Add("audit", real.audit, model.audit);
  return lines.text();
}

}  // namespace latchkey::naive
