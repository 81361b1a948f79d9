#include "tests/machine/key_history.h"

#include <algorithm>
#include <utility>

#include "server/machine/proto_time.h"
#include "tests/machine/model_view.h"

namespace latchkey::naive {
namespace {

// uuid5(uuid5(uuid5(NAMESPACE_URL, "urn:latchkey"), "default"), "order:123"), by Python's uuid
// module.
constexpr std::string_view kDownstreamKey = "d056976f-8e1b-5e57-8e74-6fd53c58d4c4";

template <class Request>
Request Named() {
  Request request;
  request.set_namespace_(std::string(kNamespace));
  request.set_key(std::string(kKey));
  return request;
}

template <class Request>
Request Ordered(Token token) {
  Request request = Named<Request>();
  request.set_expected_fencing_token(token);
  request.set_actor("ops");
  request.set_reason("because");
  return request;
}

v1::AcquireLockRequest::OnLapse ToProto(OnLapse on_lapse, bool spell_default) {
  switch (on_lapse) {
    case OnLapse::kForget:
      return v1::AcquireLockRequest::FORGET;
    case OnLapse::kForgetUnlessStarted:
      return v1::AcquireLockRequest::FORGET_UNLESS_STARTED;
    case OnLapse::kInDoubt:
      break;
  }
  return spell_default ? v1::AcquireLockRequest::IN_DOUBT
                       : v1::AcquireLockRequest::ON_LAPSE_UNSPECIFIED;
}

template <class Request>
void FillReport(const Report& report, Request* request) {
  request->set_code(report.code);
  request->set_provider_reference(report.reference);
  request->set_content_type(report.content_type);
  request->set_payload(report.payload);
}

// What a retry_after must be, which the model does not compute.
bool RetryAfterIsRight(const google::protobuf::Duration& retry_after, bool held, Nanos left) {
  const auto value = FromProto(retry_after);
  if (!value || value->count() <= 0) return false;
  return !held || left <= 0 || value->count() <= left;
}

// A reply's payload is there exactly where nothing says that it is not.
bool PayloadIsRight(const v1::Result& result, bool wanted) {
  const bool present = wanted && !result.body_omitted() && !result.body_expired();
  return result.payload() == (present ? SentPayload(result.payload_digest()) : "");
}

}  // namespace

std::optional<std::string> KeyHistory::Commit() {
  const KeyState before = key_;
  const World world = MakeWorld({});
  highest_ += 2;  // another key got the one between
  tokens_.push_back(highest_);
  key_.record->set_fencing_token(highest_);
  key_.token_pending = false;
  model_.Commit(highest_);
  CommandSummary what;
  what.kind = CommandSummary::Kind::kCommit;
  committed_record_ = key_.record;
  committed_ = model_.stored();
  if (const auto broken = Invariants::Check(before, key_, Step(), MakeContext(world), what)) {
    return std::string(broken->name) + ": " + std::string(broken->sentence);
  }
  return std::nullopt;
}

std::optional<std::string> KeyHistory::Crash() {
  ++(*counts_)[key_.token_pending ? "crash before the commit" : "crash"];
  const World world = MakeWorld({});
  key_ = KeyState();
  key_.record = committed_record_;
  if (key_.record) {
    const bool over = key_.record->fencing_token() <= restored_;
    key_.lease_deadline = MonotonicTime(Duration(monotonic_)) +
                          Duration(over ? 0 : key_.record->promised_lease_nanos());
  }
  model_.Restart(committed_, world);
  ended_.clear();
  return std::nullopt;
}

void KeyHistory::BackUp() {
  backup_record_ = committed_record_;
  backup_ = model_;
  backup_->Restart(committed_, MakeWorld({}));
  backup_at_ = retention_;
}

std::optional<std::string> KeyHistory::Restore() {
  if (!backup_) return std::nullopt;
  ++(*counts_)["restore"];
  unknown_since_ = doubtful_ ? std::min(unknown_since_, backup_at_) : backup_at_;
  doubtful_ = true;
  restored_at_ = std::max(restored_at_, retention_ + latest_ahead_);
  restored_ = highest_ += 10;
  model_ = *backup_;
  committed_ = model_.stored();
  committed_record_ = backup_record_;
  return Crash();
}

template <class Request, class Response>
Step KeyHistory::DecideReal(const Request& request, const World& world, Response* response) {
  std::optional<Invariants::Violation> violation;
  const Context context = MakeContext(world);
  Step step = Invariants::Decide(key_, request, context, response, &violation);
  if (violation)
    complaint_ = std::string(violation->name) + ": " + std::string(violation->sentence);
  return step;
}

std::optional<std::string> KeyHistory::Apply(const Command& command) {
  complaint_.reset();
  const bool may_share_batch = command.kind == Kind::kAcquire || command.kind == Kind::kCheck ||
                               command.kind == Kind::kCrash;
  if (key_.token_pending && !(command.same_batch && may_share_batch)) {
    if (auto wrong = Commit()) return wrong;
  }
  if (command.kind == Kind::kAdvance) {
    Advance(command);
    return std::nullopt;
  }
  if (command.kind == Kind::kCrash) return Crash();
  if (command.kind == Kind::kRestore) return Restore();
  if (command.kind == Kind::kBackUp || command.kind == Kind::kClearDoubt) {
    if (command.kind == Kind::kBackUp) BackUp();
    if (command.kind == Kind::kClearDoubt) doubtful_ = false;
    return std::nullopt;
  }
  if (command.kind == Kind::kAcquire && command.new_attempt) {
    ++attempts_[static_cast<std::size_t>(command.caller)];
  }
  const World world = MakeWorld(command);
  if (command.kind == Kind::kGetRecord) return GetRecord(world);
  if (command.kind == Kind::kLapse) {
    const bool due = model_.stored().state == State::kHeld && monotonic_ >= model_.deadline();
    if (!due) return std::nullopt;
  }
  const Stored before = model_.stored();
  Answer real, model;
  switch (command.kind) {
    case Kind::kAcquire:
      Acquire(command, world, &real, &model);
      break;
    case Kind::kRenew:
      Renew(command, world, &real, &model);
      break;
    case Kind::kCheck:
      Check(command, world, &real, &model);
      break;
    case Kind::kRecord:
      Record(command, world, &real, &model);
      break;
    case Kind::kRelease:
    case Kind::kReleaseAttempt:
      Release(command, world, &real, &model);
      break;
    case Kind::kLapse:
    case Kind::kUndo:
      LapseOrUndo(command, world, &real, &model);
      break;
    default:
      Admin(command, world, &real, &model);
  }
  if (auto wrong = Compare(world, real, model)) return wrong;
  if (!model.ended_attempt.empty()) ended_[model.ended_attempt] = monotonic_;
  Count(command, before, model);
  return std::nullopt;
}

void KeyHistory::Acquire(const Command& command, const World& world, Answer* real, Answer* model) {
  AcquireCall call = command.acquire;
  call.attempt = AttemptOf(command.caller);
  call.holder = command.other_holder ? "somebody-else" : "caller-" + std::to_string(command.caller);
  call.first_sent_at = ChooseSentAt(command.sent_at);
  auto request = Named<v1::AcquireLockRequest>();
  request.set_attempt_id(call.attempt);
  request.set_holder_id(call.holder);
  request.set_fingerprint(call.fingerprint);
  SetProto(Duration(call.lease), request.mutable_lease_duration());
  if (call.wait > 0) SetProto(Duration(call.wait), request.mutable_wait_timeout());
  request.set_on_lapse(ToProto(call.on_lapse, call.wait > 0));
  request.set_accept_recover(call.accept_recover);
  if (call.first_sent_at) {
    SetProto(WallTimeFromNanos(*call.first_sent_at), request.mutable_first_sent_at());
  }
  if (call.ttl) SetProto(Duration(*call.ttl), request.mutable_downstream_key_ttl());
  v1::AcquireLockResponse response;
  const bool held = model_.Visible(world) == State::kHeld;
  const Nanos left = model_.deadline() - monotonic_;
  const Step step = DecideReal(request, world, &response);
  *real = ViewStep(step);
  if (!step.refusal) View(response, real);
  if (response.has_grant() && response.grant().downstream_idempotency_key() != kDownstreamKey) {
    complaint_ = "I5: the downstream key is another one";
  }
  if (response.has_grant() && (response.grant().recover_action() ==
                               v1::Grant::RECOVER_ACTION_UNSPECIFIED) != real->grant->execute) {
    complaint_ = "recover_action and mode do not fit together";
  }
  if (response.has_contention() &&
      !RetryAfterIsRight(response.contention().retry_after(), held, left)) {
    complaint_ = "retry_after is not within the lease";
  }
  if (response.has_completed() && !PayloadIsRight(response.completed().result(), true)) {
    complaint_ = "the payload is not what was recorded";
  }
  *model = model_.Acquire(call, world);
}

void KeyHistory::Renew(const Command& command, const World& world, Answer* real, Answer* model) {
  RenewCall call = command.renew;
  call.token = Choose(command.token);
  auto request = Named<v1::RenewLeaseRequest>();
  request.set_fencing_token(call.token);
  if (call.lease) SetProto(Duration(*call.lease), request.mutable_lease_duration());
  request.set_effect_started(call.started);
  if (call.checkpoint) request.set_checkpoint(*call.checkpoint);
  v1::RenewLeaseResponse response;
  *real = ViewStep(DecideReal(request, world, &response));
  *model = model_.Renew(call, world);
}

void KeyHistory::Check(const Command& command, const World& world, Answer* real, Answer* model) {
  auto request = Named<v1::CheckResultRequest>();
  request.set_fingerprint(command.acquire.fingerprint);
  const auto sent_at = ChooseSentAt(command.sent_at);
  if (sent_at) SetProto(WallTimeFromNanos(*sent_at), request.mutable_first_sent_at());
  if (command.acquire.wait > 0) {
    SetProto(Duration(command.acquire.wait), request.mutable_wait_timeout());
  }
  v1::CheckResultResponse response;
  const Step step = DecideReal(request, world, &response);
  *real = ViewStep(step);
  *model = model_.Check(command.acquire.fingerprint, sent_at, command.acquire.wait, world);
  if (model->completed) model->completed->body_left = model->completed->key_left = 0;
  if (step.refusal) return;
  View(response, real);
  const bool open = real->state == State::kHeld || real->state == State::kInDoubt;
  if (open && !RetryAfterIsRight(response.retry_after(), real->state == State::kHeld,
                                 model_.deadline() - monotonic_)) {
    complaint_ = "retry_after is not within the lease";
  }
  if (response.has_result() && !PayloadIsRight(response.result(), true)) {
    complaint_ = "the payload is not what was recorded";
  }
}

void KeyHistory::Record(const Command& command, const World& world, Answer* real, Answer* model) {
  Report report = command.report;
  report.token = Choose(command.token);
  auto request = Named<v1::RecordResultRequest>();
  request.set_fencing_token(report.token);
  request.set_outcome(report.outcome == Outcome::kSucceeded ? v1::Result::SUCCEEDED
                                                            : v1::Result::REJECTED);
  FillReport(report, &request);
  if (report.retention) SetProto(Duration(*report.retention), request.mutable_retention());
  v1::RecordResultResponse response;
  const Step step = DecideReal(request, world, &response);
  *real = ViewStep(step);
  if (!step.refusal) View(response, real);
  if (!step.refusal && !PayloadIsRight(response.result(), false)) {
    complaint_ = "RecordResult answered the payload";
  }
  *model = model_.Record(report, world);
}

void KeyHistory::Release(const Command& command, const World& world, Answer* real, Answer* model) {
  auto request = Named<v1::ReleaseRequest>();
  if (command.kind == Kind::kRelease) {
    request.set_fencing_token(Choose(command.token));
    request.set_effect(static_cast<v1::ReleaseRequest::Effect>(command.effect));
    *model = model_.Release(request.fencing_token(), command.effect, world);
  } else {
    request.set_attempt_id(AttemptOf(command.caller));
    *model = model_.ReleaseAttempt(request.attempt_id(), world);
  }
  v1::ReleaseResponse response;
  const Step step = DecideReal(request, world, &response);
  *real = ViewStep(step);
  if (!step.refusal) real->state = ViewState(response.state());
}

void KeyHistory::Admin(const Command& command, const World& world, Answer* real, Answer* model) {
  const Token token = Choose(command.token);
  const Audit who{Name(command.kind), "ops", "because", 0, 0, std::nullopt};
  if (command.kind == Kind::kResolve) {
    Report report = command.report;
    report.token = token;
    auto request = Ordered<v1::ResolveOutcomeRequest>(token);
    request.set_outcome(
        static_cast<v1::ResolveOutcomeRequest::Outcome>(1 + static_cast<int>(report.outcome)));
    FillReport(report, &request);
    v1::ResolveOutcomeResponse response;
    const Step step = DecideReal(request, world, &response);
    *real = ViewStep(step);
    if (!step.refusal) real->state = ViewState(response.record().state());
    *model = model_.Resolve(report, who, world);
  } else if (command.kind == Kind::kForceRelease) {
    v1::ForceReleaseResponse response;
    const Step step = DecideReal(Ordered<v1::ForceReleaseRequest>(token), world, &response);
    *real = ViewStep(step);
    if (!step.refusal) {
      real->state = ViewState(response.state());
      real->unsafe_for = FromProto(response.unsafe_for()).value_or(Duration(-1)).count();
    }
    *model = model_.ForceRelease(token, who, world);
  } else {
    v1::DeleteRecordResponse response;
    *real = ViewStep(DecideReal(Ordered<v1::DeleteRecordRequest>(token), world, &response));
    *model = model_.Delete(token, who, world);
  }
}

void KeyHistory::LapseOrUndo(const Command& command, const World& world, Answer* real,
                             Answer* model) {
  const Context context = MakeContext(world);
  std::optional<Invariants::Violation> broken;
  Step step;
  if (command.kind == Kind::kLapse) {
    step = Invariants::Lapse(key_, context, &broken);
    *model = model_.Lapse(world);
  } else {
    const Token token = Choose(command.token);
    step = Invariants::UndoGrant(key_, token, context, &broken);
    *model = model_.Undo(token, world);
  }
  if (broken) complaint_ = std::string(broken->name) + ": " + std::string(broken->sentence);
  *real = ViewStep(step);
}

// What an operator sees is the record that the model has.
std::optional<std::string> KeyHistory::GetRecord(const World& world) {
  v1::GetRecordResponse response;
  const Step step = DecideReal(Named<v1::GetRecordRequest>(), world, &response);
  if (complaint_) return complaint_;
  if (step.refusal) return "GetRecord was refused";
  const v1::Record& seen = response.record();
  const State state = model_.Look(world);
  const Stored& stored = model_.stored();
  if (ViewState(seen.state()) != state) return "GetRecord shows another state";
  if (seen.audit_size() != static_cast<int>(stored.audit.size())) {
    return "GetRecord shows another audit log";
  }
  const bool there = state != State::kAbsent;
  const bool same =
      seen.key() == kKey && seen.namespace_() == kNamespace &&
      (!there || seen.downstream_idempotency_key() == kDownstreamKey) &&
      seen.fencing_token() == (there ? stored.token : 0) &&
      seen.holder_id() == (there ? stored.holder : "") &&
      seen.attempt_id() == (there ? stored.attempt : "") &&
      static_cast<int>(seen.attempt_number()) == (there ? stored.number : 0) &&
      seen.effect_started() == (there && stored.marked) &&
      seen.checkpoint() == (there ? stored.checkpoint : "") &&
      seen.has_result() == (state == State::kCompleted) &&
      seen.late_outcomes_size() == (there ? static_cast<int>(stored.lates.size()) : 0) &&
      static_cast<int>(seen.late_outcome_count()) == (there ? stored.late_count : 0) &&
      seen.duplicate_effect_suspected() == (there && stored.suspected);
  if (!same) return "GetRecord shows another record:\n" + seen.ShortDebugString();
  ++(*counts_)["GetRecord"];
  return std::nullopt;
}

std::optional<std::string> KeyHistory::Compare(const World& world, const Answer& real,
                                               const Answer& model) {
  if (complaint_) return complaint_;
  Answer expected = model;
  // A reply does not say how long the payload is kept.
  if (expected.completed) expected.completed->result.retention = 0;
  if (!(real == expected)) return "the answers differ:\n" + Difference(real, expected);
  const Stored seen = ViewRecord(key_);
  if (!(seen == model_.stored())) {
    return "the records differ:\n" + Difference(seen, model_.stored());
  }
  if (key_.token_pending != model_.pending()) return "only one side has a pending token";
  if (seen.state == State::kHeld &&
      key_.lease_deadline.time_since_epoch().count() != model_.deadline()) {
    return "the leases differ";
  }
  const bool free =
      model_.Visible(world) != State::kHeld && model_.Visible(world) != State::kCompleted;
  if (model_.stored().state == model_.Visible(world) && IsFree(key_) != free) {
    return "IsFree is wrong";
  }
  // What nobody asked to be made durable is lost in a crash.
  if (model.durable && !key_.token_pending) {
    committed_record_ = key_.record;
    committed_ = model_.stored();
  }
  return std::nullopt;
}

}  // namespace latchkey::naive
