#include "tests/fuzz/corpus.h"

#include <chrono>
#include <cstdint>
#include <utility>

#include "latchkey/v1/admin.pb.h"
#include "latchkey/v1/coordination.pb.h"
#include "server/machine/proto_time.h"
#include "storage/record_codec.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/request_steps.h"
#include "tests/fuzz/session_steps.h"
#include "tests/machine/model_commands.h"

namespace latchkey::fuzz {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using State = v1::CheckResultResponse;

v1::AcquireLockRequest Acquire(const std::string& attempt_id, Duration wait = Duration::zero()) {
  v1::AcquireLockRequest request;
  request.set_key("k");
  request.set_attempt_id(attempt_id);
  request.set_holder_id("h");
  request.set_fingerprint("f");
  request.set_accept_recover(true);
  SetProto(1s, request.mutable_lease_duration());
  SetProto(wait, request.mutable_wait_timeout());
  return request;
}

template <class Request>
Request Carrying(std::uint64_t token) {
  Request request;
  request.set_key("k");
  request.set_fencing_token(token);
  return request;
}

template <class Request>
Request Ordered(std::uint64_t token) {
  Request request;
  request.set_key("k");
  request.set_expected_fencing_token(token);
  request.set_actor("ops");
  request.set_reason("seen at the provider");
  return request;
}

v1::RenewLeaseRequest Renew(std::uint64_t token) {
  auto request = Carrying<v1::RenewLeaseRequest>(token);
  SetProto(5s, request.mutable_lease_duration());
  request.set_effect_started(true);
  request.set_checkpoint("half");
  return request;
}

v1::CheckResultRequest Check(Duration wait = Duration::zero()) {
  v1::CheckResultRequest request;
  request.set_key("k");
  SetProto(wait, request.mutable_wait_timeout());
  return request;
}

v1::RecordResultRequest Record(std::uint64_t token) {
  auto request = Carrying<v1::RecordResultRequest>(token);
  request.set_outcome(v1::Result::SUCCEEDED);
  request.set_code("ok");
  request.set_provider_reference("ch_1");
  request.set_content_type("text/plain");
  request.set_payload("paid");
  SetProto(60s, request.mutable_retention());
  return request;
}

v1::ReleaseRequest Release(std::uint64_t token, v1::ReleaseRequest::Effect effect) {
  auto request = Carrying<v1::ReleaseRequest>(token);
  request.set_effect(effect);
  return request;
}

v1::ReleaseRequest GiveUp(const std::string& attempt_id) {
  v1::ReleaseRequest request;
  request.set_key("k");
  request.set_attempt_id(attempt_id);
  return request;
}

v1::ResolveOutcomeRequest Resolve(std::uint64_t token) {
  auto request = Ordered<v1::ResolveOutcomeRequest>(token);
  request.set_outcome(v1::ResolveOutcomeRequest::SUCCEEDED);
  request.set_provider_reference("ch_1");
  return request;
}

v1::GetRecordRequest Get() {
  v1::GetRecordRequest request;
  request.set_key("k");
  return request;
}

v1::ListRecordsRequest List(State::State state) {
  v1::ListRecordsRequest request;
  request.set_namespace_("default");
  request.set_state(state);
  request.set_page_size(1);
  return request;
}

// --- Requests ---

class Requests {
 public:
  template <class Request>
  Requests& Ask(RequestStep step, const Request& request) {
    AddStep(static_cast<std::uint8_t>(step), request.SerializeAsString(), &input_);
    return *this;
  }
  Requests& Acquire(const v1::AcquireLockRequest& request) {
    return Ask(RequestStep::kAcquireLock, request);
  }
  Requests& Pass(std::uint8_t high, std::uint8_t low) {
    AddStep(static_cast<std::uint8_t>(RequestStep::kPass),
            {static_cast<char>(high), static_cast<char>(low)}, &input_);
    return *this;
  }
  Requests& GoAway(char call) {
    AddStep(static_cast<std::uint8_t>(RequestStep::kGoAway), {call}, &input_);
    return *this;
  }
  std::string input() const { return input_; }

 private:
  std::string input_;
};

void AddRequests(std::map<std::string, std::string>& corpus) {
  using Step = RequestStep;
  corpus["requests/record"] = Requests()
                                  .Acquire(Acquire("a"))
                                  .Ask(Step::kRenewLease, Renew(1))
                                  .Ask(Step::kRecordResult, Record(1))
                                  .Ask(Step::kCheckResult, Check())
                                  .Acquire(Acquire("b"))
                                  .Ask(Step::kListRecords, List(State::COMPLETED))
                                  .Ask(Step::kDeleteRecord, Ordered<v1::DeleteRecordRequest>(1))
                                  .Ask(Step::kGetRecord, Get())
                                  .input();
  corpus["requests/wait"] = Requests()
                                .Acquire(Acquire("a"))
                                .Acquire(Acquire("b", 30s))
                                .Acquire(Acquire("c", 30s))
                                .Ask(Step::kCheckResult, Check(30s))
                                .GoAway(1)
                                .Ask(Step::kRelease, Release(1, v1::ReleaseRequest::NOT_EXECUTED))
                                .Acquire(Acquire("c", 30s))
                                .Ask(Step::kRelease, GiveUp("c"))
                                .Ask(Step::kRecordResult, Record(2))
                                .input();
  corpus["requests/doubt"] = Requests()
                                 .Acquire(Acquire("a"))
                                 .Acquire(Acquire("b", 2s))
                                 .Pass(0x04, 0x4c)  // 1100 ms: the lease is over, and b goes on
                                 .Ask(Step::kRecordResult, Record(1))
                                 .Ask(Step::kRelease, Release(2, v1::ReleaseRequest::UNKNOWN))
                                 .Ask(Step::kListRecords, List(State::IN_DOUBT))
                                 .Ask(Step::kResolveOutcome, Resolve(2))
                                 .Ask(Step::kGetRecord, Get())
                                 .input();
  v1::IssueKeyRequest issue;
  issue.set_namespace_("pay");
  corpus["requests/operator"] = Requests()
                                    .Ask(Step::kIssueKey, issue)
                                    .Acquire(Acquire("a"))
                                    .Ask(Step::kForceRelease, Ordered<v1::ForceReleaseRequest>(1))
                                    .Ask(Step::kListRecords, List(State::STATE_UNSPECIFIED))
                                    .input();
}

// --- Sessions ---

class Sessions {
 public:
  Sessions& Do(SessionStep step, int session, const std::string& bytes = "") {
    AddStep(static_cast<std::uint8_t>(2 * static_cast<int>(step) + session), bytes, &input_);
    return *this;
  }
  Sessions& Send(const v1::SessionRequest& frame, int session = 0) {
    Do(SessionStep::kFrame, session, frame.SerializeAsString());
    return Do(SessionStep::kSent, session);
  }
  std::string input() const { return input_; }

 private:
  std::string input_;
};

v1::SessionRequest::Call* AddCall(v1::SessionRequest& frame, std::uint64_t call_id) {
  auto* call = frame.add_calls();
  call->set_call_id(call_id);
  return call;
}

void AddSessions(std::map<std::string, std::string>& corpus) {
  v1::SessionRequest work;
  *AddCall(work, 1)->mutable_acquire_lock() = Acquire("a");
  v1::SessionRequest done;
  *AddCall(done, 2)->mutable_renew_lease() = Renew(1);
  *AddCall(done, 3)->mutable_record_result() = Record(1);
  *AddCall(done, 4)->mutable_check_result() = Check();
  corpus["session/record"] =
      Sessions().Send(work).Send(done).Do(SessionStep::kHalfClose, 0).input();

  v1::SessionRequest waits;
  *AddCall(waits, 1)->mutable_acquire_lock() = Acquire("b", 30s);
  *AddCall(waits, 2)->mutable_check_result() = Check(30s);
  v1::SessionRequest cancels;
  AddCall(cancels, 9)->mutable_cancel()->set_call_id(2);
  *AddCall(cancels, 3)->mutable_release() = GiveUp("b");
  corpus["session/cancel"] = Sessions()
                                 .Send(work)
                                 .Send(waits, 1)
                                 .Send(cancels, 1)
                                 .Do(SessionStep::kBreak, 1)
                                 .Do(SessionStep::kDrain, 0)
                                 .input();

  v1::SessionRequest beats;
  beats.mutable_heartbeat()->set_heartbeat_id(7);
  for (const std::uint64_t token : {1, 2}) {
    auto* lease = beats.mutable_heartbeat()->add_leases();
    lease->set_key("k");
    lease->set_fencing_token(token);
  }
  corpus["session/heartbeat"] = Sessions()
                                    .Send(work)
                                    .Send(beats)
                                    .Send(waits, 1)
                                    .Do(SessionStep::kPass, 0, {0x04, 0x4c})
                                    .Do(SessionStep::kSent, 1)
                                    .Send(beats)
                                    .input();
}

// --- The others ---

void AddRecords(std::map<std::string, std::string>& corpus) {
  storage::v1::Record record;
  record.set_state(State::HELD);
  record.set_fencing_token(7);
  record.set_attempt_id("a");
  record.set_holder_id("h");
  record.set_mode(v1::Grant::EXECUTE);
  record.set_attempt_number(1);
  record.set_on_lapse(v1::AcquireLockRequest::FORGET);
  record.set_promised_lease_nanos(1'000'000'000);
  record.set_fingerprint("f");
  record.add_audit()->set_reason("r");
  std::string bytes;
  storage::EncodeRecord(record, &bytes);
  corpus["record/held"] = bytes;
  bytes.front() = 2;
  corpus["record/other_version"] = bytes;

  record.set_state(State::COMPLETED);
  record.mutable_result()->set_outcome(v1::Result::SUCCEEDED);
  record.mutable_result()->set_payload("paid");
  record.add_late_outcomes()->set_provider_reference("ch_2");
  bytes.clear();
  storage::EncodeRecord(record, &bytes);
  corpus["record/completed"] = bytes;
  corpus["record/body"] = bytes.substr(1);
}

void AddSettings(std::map<std::string, std::string>& corpus) {
  corpus["settings/all"] =
      "listen_address = \"127.0.0.1:0\"\n"
      "store = \"memory:\"\n"
      "partitions = 4\n"
      "payload_bytes_max = 1048576\n"
      "drain_timeout = \"1h30m\"\n"
      "accept_clock_step = true\n"
      "log_level = \"warn\"\n"
      "[namespaces.payments]\n"
      "key_retention = \"90d\"\n"
      "payload_retention = \"500ms\"\n"
      "lease_duration_max = \"1m\"\n"
      "[namespaces.\"*\"]\n"
      "live_records_max = 10\n";
  corpus["settings/unknown"] = "listen_adress = \"127.0.0.1:0\"\n";
  corpus["settings/no_toml"] = "partitions = = 4\n";
  corpus["settings/wrong_value"] = "[namespaces.a]\nkey_retention = [1, {b = 1979-05-27}]\n";
}

// Any bytes are commands.
void AddCommands(std::map<std::string, std::string>& corpus) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    naive::Random random(seed);
    std::string bytes;
    for (int i = 0; i < 400; ++i) bytes.push_back(static_cast<char>(random.Below(256)));
    corpus["commands/random_" + std::to_string(seed)] = bytes;
  }
}

}  // namespace

std::map<std::string, std::string> MakeCorpus() {
  std::map<std::string, std::string> corpus;
  AddRequests(corpus);
  AddSessions(corpus);
  AddRecords(corpus);
  AddSettings(corpus);
  AddCommands(corpus);
  return corpus;
}

}  // namespace latchkey::fuzz
