// What the moves of the search are to the machine.

#include <array>

#include "latchkey/v1/admin.pb.h"
#include "server/machine/proto_time.h"
#include "tests/machine/explorer.h"
#include "tests/machine/explorer_world.h"

namespace latchkey::exhaustive {
namespace {

template <class Request>
Request Carrying(std::uint64_t token) {
  Request request;
  request.set_fencing_token(token);
  return request;
}

template <class Request>
Request Ordered(std::uint64_t token) {
  Request request;
  request.set_expected_fencing_token(token);
  request.set_actor("ops");
  request.set_reason("test");
  return request;
}

Step Acquire(KeyState& key, const Move& move, const Context& context,
             std::optional<v1::Grant::Mode>* mode) {
  v1::AcquireLockRequest request;
  request.set_attempt_id(AttemptId(move.attempt));
  request.set_holder_id(HolderId(move.attempt));
  SetProto(kLease, request.mutable_lease_duration());
  request.set_on_lapse(move.on_lapse);
  request.set_accept_recover(move.action == Action::kAcquire);
  v1::AcquireLockResponse response;
  Step step = Decide(key, request, context, &response);
  if (!step.refusal && response.has_grant()) *mode = response.grant().mode();
  return step;
}

Step Renew(KeyState& key, const Move& move, const Context& context) {
  auto request = Carrying<v1::RenewLeaseRequest>(move.token);
  if (move.action == Action::kRenewLonger) SetProto(kLongerLease, request.mutable_lease_duration());
  request.set_effect_started(move.action == Action::kMark);
  v1::RenewLeaseResponse response;
  return Decide(key, request, context, &response);
}

Step Record(KeyState& key, const Move& move, const Context& context) {
  auto request = Carrying<v1::RecordResultRequest>(move.token);
  request.set_outcome(move.action == Action::kSucceed ? v1::Result::SUCCEEDED
                                                      : v1::Result::REJECTED);
  request.set_provider_reference("R");
  v1::RecordResultResponse response;
  return Decide(key, request, context, &response);
}

Step Release(KeyState& key, const Move& move, const Context& context) {
  auto request = Carrying<v1::ReleaseRequest>(move.token);
  if (move.action == Action::kReleaseAttempt) {
    request.clear_fencing_token();
    request.set_attempt_id(AttemptId(move.attempt));
  } else {
    request.set_effect(static_cast<v1::ReleaseRequest::Effect>(
        static_cast<int>(move.action) - static_cast<int>(Action::kReleaseUnset)));
  }
  v1::ReleaseResponse response;
  return Decide(key, request, context, &response);
}

Step Resolve(KeyState& key, const Move& move, const Context& context) {
  auto request = Ordered<v1::ResolveOutcomeRequest>(move.token);
  request.set_outcome(move.action == Action::kResolveSucceeded
                          ? v1::ResolveOutcomeRequest::SUCCEEDED
                          : v1::ResolveOutcomeRequest::NOT_EXECUTED);
  v1::ResolveOutcomeResponse response;
  return Decide(key, request, context, &response);
}

}  // namespace

Step Machine::Apply(KeyState& key, const Move& move, const Context& context,
                    std::optional<v1::Grant::Mode>* mode) {
  switch (move.action) {
    case Action::kAcquire:
    case Action::kAcquireNoRecover:
      return Acquire(key, move, context, mode);
    case Action::kRenew:
    case Action::kRenewLonger:
    case Action::kMark:
      return Renew(key, move, context);
    case Action::kSucceed:
    case Action::kReject:
      return Record(key, move, context);
    case Action::kReleaseUnset:
    case Action::kReleaseNotExecuted:
    case Action::kReleaseUnknown:
    case Action::kReleaseRunNotExecuted:
    case Action::kReleaseAttempt:
      return Release(key, move, context);
    case Action::kUndo:
      return UndoGrant(key, move.token, context);
    case Action::kLapse:
      return Lapse(key, context);
    case Action::kResolveSucceeded:
    case Action::kResolveNotExecuted:
      return Resolve(key, move, context);
    case Action::kForceRelease: {
      v1::ForceReleaseResponse response;
      return Decide(key, Ordered<v1::ForceReleaseRequest>(move.token), context, &response);
    }
    case Action::kDelete: {
      v1::DeleteRecordResponse response;
      return Decide(key, Ordered<v1::DeleteRecordRequest>(move.token), context, &response);
    }
    default: {
      v1::CheckResultResponse response;
      return Decide(key, v1::CheckResultRequest(), context, &response);
    }
  }
}

CommandSummary Summarize(const Move& move, const std::string& attempt_id) {
  using Kind = CommandSummary::Kind;
  static constexpr std::array kKinds = {
      Kind::kAcquireLock,  Kind::kAcquireLock,  // with and without accept_recover
      Kind::kRenewLease,   Kind::kRenewLease,   Kind::kRenewLease,     Kind::kCheckResult,
      Kind::kRecordResult, Kind::kRecordResult, Kind::kRelease,        Kind::kRelease,
      Kind::kRelease,      Kind::kRelease,      Kind::kReleaseAttempt, Kind::kUndoGrant,
      Kind::kLapse,        Kind::kForceRelease, Kind::kResolveOutcome, Kind::kResolveOutcome,
      Kind::kDeleteRecord};
  static_assert(kKinds.size() == static_cast<std::size_t>(Action::kAct));
  CommandSummary what;
  what.kind = kKinds[static_cast<std::size_t>(move.action)];
  what.fencing_token = move.token;
  what.attempt_id = attempt_id;
  if (what.kind == Kind::kAcquireLock) what.lease_duration = kLease;
  if (move.action == Action::kRenewLonger) what.lease_duration = kLongerLease;
  if (what.kind == Kind::kRelease) {
    what.effect = static_cast<int>(move.action) - static_cast<int>(Action::kReleaseUnset);
  }
  what.not_executed = move.action == Action::kResolveNotExecuted;
  return what;
}

std::string Print(const Move& move) {
  static constexpr std::array kNames = {"AcquireLock accept_recover",
                                        "AcquireLock",
                                        "RenewLease",
                                        "RenewLease longer",
                                        "RenewLease effect_started",
                                        "CheckResult",
                                        "RecordResult SUCCEEDED",
                                        "RecordResult REJECTED",
                                        "Release",
                                        "Release NOT_EXECUTED",
                                        "Release UNKNOWN",
                                        "Release RUN_NOT_EXECUTED",
                                        "Release by attempt",
                                        "UndoGrant",
                                        "Lapse",
                                        "ForceRelease",
                                        "ResolveOutcome SUCCEEDED",
                                        "ResolveOutcome NOT_EXECUTED",
                                        "DeleteRecord",
                                        "the effect happens",
                                        "a tick passes",
                                        "crash and restart"};
  std::string text = kNames[static_cast<std::size_t>(move.action)];
  const bool acquires = move.action == Action::kAcquire || move.action == Action::kAcquireNoRecover;
  if (acquires || move.action == Action::kReleaseAttempt) text += " by " + AttemptId(move.attempt);
  if (acquires) text += " " + v1::AcquireLockRequest::OnLapse_Name(move.on_lapse);
  if (move.token != 0) text += " token " + std::to_string(move.token);
  return text;
}

}  // namespace latchkey::exhaustive
