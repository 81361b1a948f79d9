// One key in front of a test: calls with sensible defaults, time that stands still until it is
// moved, and the Invariants checked after every call. A grant is committed at once, with the next
// token.
#pragma once

#include <string>
#include <vector>

#include "latchkey/v1/admin.pb.h"
#include "latchkey/v1/coordination.pb.h"
#include "server/machine/invariants.h"
#include "server/machine/proto_time.h"
#include "server/machine/record_machine.h"
#include <gtest/gtest.h>

namespace latchkey {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using State = v1::CheckResultResponse;
using Refused = v1::Refusal;
using Release = v1::ReleaseRequest;
using AcquireLock = v1::AcquireLockRequest;
using Outcome = v1::Result;

// What a call was answered: the response by ->, or why it was refused.
template <class Response>
struct Reply {
  Response response;
  Step step;
  const Response* operator->() const { return &response; }
  // The reason of a refusal; UNSPECIFIED: OK.
  Reason reason() const {
    return step.refusal ? step.refusal->reason : Refused::REASON_UNSPECIFIED;
  }
  bool ok() const { return !step.refusal; }
};

inline std::uint64_t Token(const Reply<v1::AcquireLockResponse>& reply) {
  return reply->grant().fencing_token();
}

class MachineTest : public ::testing::Test {
 protected:
  MachineTest() {
    context_.now = {MonotonicTime(hours(1)), WallTime(hours(24 * 365 * 56)),
                    WallTime(hours(24 * 365 * 56))};
    context_.limits = &limits_;
    context_.settings = &settings_;
    context_.name_space = "default";
    context_.key = "order:123";
  }

  // Holder "<attempt>'s", a lease of 10 s; `change` adjusts the request.
  template <class Change = void (*)(AcquireLock&)>
  Reply<v1::AcquireLockResponse> Acquire(
      const std::string& attempt, Change change = [](AcquireLock&) {}) {
    AcquireLock request;
    request.set_attempt_id(attempt);
    request.set_holder_id(attempt + "'s");
    SetProto(seconds(10), request.mutable_lease_duration());
    change(request);
    auto reply = Do<v1::AcquireLockResponse>(request);
    if (reply.step.granted) {
      Commit();
      reply.response.mutable_grant()->set_fencing_token(key_.record->fencing_token());
    }
    return reply;
  }
  Reply<v1::AcquireLockResponse> Recover(const std::string& attempt,
                                         AcquireLock::OnLapse on_lapse = AcquireLock::IN_DOUBT) {
    return Acquire(attempt, [&](AcquireLock& request) {
      request.set_accept_recover(true);
      request.set_on_lapse(on_lapse);
    });
  }
  Reply<v1::AcquireLockResponse> AcquireOnLapse(const std::string& attempt,
                                                AcquireLock::OnLapse on_lapse) {
    return Acquire(attempt, [&](AcquireLock& request) { request.set_on_lapse(on_lapse); });
  }
  Reply<v1::AcquireLockResponse> AcquireWith(const std::string& attempt,
                                             const std::string& fingerprint) {
    return Acquire(attempt, [&](AcquireLock& request) { request.set_fingerprint(fingerprint); });
  }

  template <class Change = void (*)(v1::RenewLeaseRequest&)>
  Reply<v1::RenewLeaseResponse> Renew(
      std::uint64_t token, Change change = [](v1::RenewLeaseRequest&) {}) {
    v1::RenewLeaseRequest request;
    request.set_fencing_token(token);
    change(request);
    return Do<v1::RenewLeaseResponse>(request);
  }
  Reply<v1::RenewLeaseResponse> Mark(std::uint64_t token) {
    return Renew(token, [](v1::RenewLeaseRequest& request) { request.set_effect_started(true); });
  }

  template <class Change = void (*)(v1::CheckResultRequest&)>
  Reply<v1::CheckResultResponse> Check(Change change = [](v1::CheckResultRequest&) {}) {
    v1::CheckResultRequest request;
    change(request);
    return Do<v1::CheckResultResponse>(request);
  }

  template <class Change = void (*)(v1::RecordResultRequest&)>
  Reply<v1::RecordResultResponse> Record(
      std::uint64_t token, Outcome::Outcome outcome, const std::string& reference,
      Change change = [](v1::RecordResultRequest&) {}) {
    v1::RecordResultRequest request;
    request.set_fencing_token(token);
    request.set_outcome(outcome);
    request.set_provider_reference(reference);
    change(request);
    return Do<v1::RecordResultResponse>(request);
  }
  Reply<v1::RecordResultResponse> Succeed(std::uint64_t token,
                                          const std::string& reference = "R1") {
    return Record(token, Outcome::SUCCEEDED, reference);
  }

  Reply<v1::ReleaseResponse> GiveBack(std::uint64_t token,
                                      Release::Effect effect = Release::EFFECT_UNSPECIFIED) {
    Release request;
    request.set_fencing_token(token);
    request.set_effect(effect);
    return Do<v1::ReleaseResponse>(request);
  }
  Reply<v1::ReleaseResponse> GiveUp(const std::string& attempt) {
    Release request;
    request.set_attempt_id(attempt);
    return Do<v1::ReleaseResponse>(request);
  }

  Reply<v1::ResolveOutcomeResponse> Resolve(std::uint64_t token,
                                            v1::ResolveOutcomeRequest::Outcome outcome,
                                            const std::string& reference = "") {
    auto request = Ordered<v1::ResolveOutcomeRequest>(token);
    request.set_outcome(outcome);
    request.set_provider_reference(reference);
    return Do<v1::ResolveOutcomeResponse>(request);
  }
  Reply<v1::ForceReleaseResponse> ForceRelease(std::uint64_t token) {
    return Do<v1::ForceReleaseResponse>(Ordered<v1::ForceReleaseRequest>(token));
  }
  Reply<v1::DeleteRecordResponse> Delete(std::uint64_t token) {
    return Do<v1::DeleteRecordResponse>(Ordered<v1::DeleteRecordRequest>(token));
  }
  v1::Record Look() { return Do<v1::GetRecordResponse>(v1::GetRecordRequest()).response.record(); }

  // The lease runs out, to the moment.
  Step LetLapse() {
    Pass(key_.lease_deadline - context_.now.monotonic);
    std::optional<Invariants::Violation> violation;
    Step step = Invariants::Lapse(key_, context_, &violation);
    Expect(violation);
    return step;
  }
  Step Undo(std::uint64_t token) {
    std::optional<Invariants::Violation> violation;
    Step step = Invariants::UndoGrant(key_, token, context_, &violation);
    Expect(violation);
    return step;
  }
  // A new process takes up what is stored.
  void Restart() {
    key_.lease_deadline = context_.now.monotonic + Duration(key_.record->promised_lease_nanos());
    key_.stall_extension = Duration::zero();
  }
  void Pass(Duration by) {
    context_.now.monotonic += by;
    context_.now.retention += by;
    context_.now.latest += by;
  }
  // A grant of another key takes the next token.
  void GrantElsewhere() { ++context_.highest_token; }

  State::State state() const { return key_.record ? key_.record->state() : State::ABSENT; }
  Duration left() const { return key_.lease_deadline - context_.now.monotonic; }

  Limits limits_;
  NamespaceSettings settings_;
  Context context_;
  KeyState key_;

 private:
  template <class Request>
  static Request Ordered(std::uint64_t token) {
    Request request;
    request.set_expected_fencing_token(token);
    request.set_actor("ops");
    request.set_reason("looked into it");
    return request;
  }

  static void Expect(const std::optional<Invariants::Violation>& violation) {
    if (violation) ADD_FAILURE() << violation->name << ": " << violation->sentence;
  }

  template <class Response, class Request>
  Reply<Response> Do(const Request& request) {
    Reply<Response> reply;
    std::optional<Invariants::Violation> violation;
    reply.step = Invariants::Decide(key_, request, context_, &reply.response, &violation);
    Expect(violation);
    return reply;
  }

  void Commit() {
    const KeyState before = key_;
    CommandSummary what;
    what.kind = CommandSummary::Kind::kCommit;
    key_.record->set_fencing_token(context_.highest_token + 1);
    key_.token_pending = false;
    Expect(Invariants::Check(before, key_, Step(), context_, what));
    ++context_.highest_token;
  }
};

}  // namespace latchkey
