#include "tools/crash_test/service.h"

#include <future>
#include <utility>

#include "client/src/grpc_transport.h"
#include "client/src/system_runtime.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace latchkey::crash {
namespace {

using Coordination = v1::CoordinationService::Stub;
using Admin = v1::AdminService::Stub;

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  // The server is away often and not for long.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 30);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 30);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);             // a call in the history is sent once
  // By its scheme, so that no resolver is asked, which has a pause of its own.
  return grpc::CreateCustomChannel("ipv4:" + address, grpc::InsecureChannelCredentials(),
                                   arguments);
}

}  // namespace

std::string ReasonIn(const std::string& error_details) {
  google::rpc::Status details;
  if (!details.ParseFromString(error_details)) return "";
  for (const auto& detail : details.details()) {
    google::rpc::ErrorInfo info;
    if (detail.UnpackTo(&info) && info.domain() == "latchkey") return info.reason();
  }
  return "";
}

Service::Service(const std::string& address, History& history, bool over_session)
    : history_(history),
      channel_(MakeChannel(address)),
      coordination_(v1::CoordinationService::NewStub(channel_)),
      admin_(v1::AdminService::NewStub(channel_)),
      runtime_(std::make_shared<client::internal::SystemRuntime>()),
      session_(over_session ? client::internal::MakeGrpcTransport("ipv4:" + address,
                                                                  TransportKind::kSession, runtime_)
                            : nullptr) {}

Service::~Service() {
  runtime_->Stop();
  if (session_ != nullptr) session_->Shutdown();
}

template <class Response>
Answer<Response> Service::Note(const std::string& id, Answer<Response> answer) {
  const std::int64_t at = MonotonicNanos();
  if (answer.ok()) {
    history_.EndWithReply(id, at, answer.response);
  } else {
    answer.reason = ReasonIn(answer.status.error_details());
    history_.EndWithStatus(id, at, answer.status.error_code(), answer.reason,
                           answer.status.error_message());
  }
  return answer;
}

template <class Stub, class Request, class Response>
Answer<Response> Service::Send(const char* name, Stub& stub,
                               grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                            Response*),
                               const Request& request, Milliseconds patience) {
  Answer<Response> answer;
  grpc::ClientContext context;
  const std::string id = history_.Begin(name, request);
  context.set_wait_for_ready(true);  // while the server is away
  context.set_deadline(std::chrono::system_clock::now() + patience);
  answer.status = (stub.*method)(&context, request, &answer.response);
  return Note(id, std::move(answer));
}

template <class Request, class Response>
Answer<Response> Service::Send(
    const char* name,
    grpc::Status (Coordination::*method)(grpc::ClientContext*, const Request&, Response*),
    void (client::internal::Transport::*over_session)(Request, client::internal::TryLimits,
                                                      client::internal::Done<Response>),
    const Request& request, Milliseconds patience) {
  if (session_ == nullptr) return Send(name, *coordination_, method, request, patience);
  // A stream breaks at once while the server is away.
  (void)channel_->WaitForConnected(std::chrono::system_clock::now() + patience);
  auto answered = std::make_shared<std::promise<Answer<Response>>>();
  const std::string id = history_.Begin(name, request);
  ((*session_).*over_session)(
      request, {.timeout = patience},
      [answered](const client::internal::CallStatus& status, Response response) {
        Answer<Response> answer;
        answer.status = grpc::Status(status.code, status.message, status.details);
        answer.response = std::move(response);
        answered->set_value(std::move(answer));
      });
  return Note(id, answered->get_future().get());
}

Answer<v1::AcquireLockResponse> Service::Call(const v1::AcquireLockRequest& request,
                                              Milliseconds patience) {
  return Send("AcquireLock", &Coordination::AcquireLock, &client::internal::Transport::AcquireLock,
              request, patience);
}
Answer<v1::RenewLeaseResponse> Service::Call(const v1::RenewLeaseRequest& request,
                                             Milliseconds patience) {
  return Send("RenewLease", &Coordination::RenewLease, &client::internal::Transport::RenewLease,
              request, patience);
}
Answer<v1::CheckResultResponse> Service::Call(const v1::CheckResultRequest& request,
                                              Milliseconds patience) {
  return Send("CheckResult", &Coordination::CheckResult, &client::internal::Transport::CheckResult,
              request, patience);
}
Answer<v1::RecordResultResponse> Service::Call(const v1::RecordResultRequest& request,
                                               Milliseconds patience) {
  return Send("RecordResult", &Coordination::RecordResult,
              &client::internal::Transport::RecordResult, request, patience);
}
Answer<v1::ReleaseResponse> Service::Call(const v1::ReleaseRequest& request,
                                          Milliseconds patience) {
  return Send("Release", &Coordination::Release, &client::internal::Transport::Release, request,
              patience);
}
Answer<v1::IssueKeyResponse> Service::Call(const v1::IssueKeyRequest& request,
                                           Milliseconds patience) {
  return Send("IssueKey", *coordination_, &Coordination::IssueKey, request, patience);
}
Answer<v1::GetRecordResponse> Service::Call(const v1::GetRecordRequest& request,
                                            Milliseconds patience) {
  return Send("GetRecord", *admin_, &Admin::GetRecord, request, patience);
}
Answer<v1::ListRecordsResponse> Service::Call(const v1::ListRecordsRequest& request,
                                              Milliseconds patience) {
  return Send("ListRecords", *admin_, &Admin::ListRecords, request, patience);
}
Answer<v1::ResolveOutcomeResponse> Service::Call(const v1::ResolveOutcomeRequest& request,
                                                 Milliseconds patience) {
  return Send("ResolveOutcome", *admin_, &Admin::ResolveOutcome, request, patience);
}
Answer<v1::ForceReleaseResponse> Service::Call(const v1::ForceReleaseRequest& request,
                                               Milliseconds patience) {
  return Send("ForceRelease", *admin_, &Admin::ForceRelease, request, patience);
}
Answer<v1::DeleteRecordResponse> Service::Call(const v1::DeleteRecordRequest& request,
                                               Milliseconds patience) {
  return Send("DeleteRecord", *admin_, &Admin::DeleteRecord, request, patience);
}

}  // namespace latchkey::crash
