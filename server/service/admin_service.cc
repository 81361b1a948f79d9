#include "server/service/admin_service.h"

#include "server/service/not_implemented.h"
#include "server/service/unary_call.h"

namespace latchkey {
namespace {

// A page is made only when there is room for the largest, so that the pages that wait for their
// turn take no memory.
class ListCall final : public grpc::ServerUnaryReactor {
 public:
  ListCall(RecordLister& lister, ReplyBudget& reply_budget, std::size_t page_bytes)
      : lister_(lister), reply_budget_(reply_budget), page_bytes_(page_bytes) {}

  void Start(const v1::ListRecordsRequest& request, v1::ListRecordsResponse* response) {
    reply_budget_.Acquire(page_bytes_, [this, &request, response] {
      lister_.List(request, response, [this](const std::optional<Refusal>& refused) {
        Finish(refused.has_value() ? ToGrpcStatus(*refused) : grpc::Status::OK);
      });
    });
  }

  void OnDone() override {
    reply_budget_.Release(page_bytes_);
    delete this;
  }

 private:
  RecordLister& lister_;
  ReplyBudget& reply_budget_;
  const std::size_t page_bytes_;
};

// For calls that concern all namespaces.
template <class Request>
std::optional<Refusal> CheckCaller(const CallEnvironment& environment,
                                   const grpc::CallbackServerContext& context) {
  return CallerOf(environment.access, context).CheckEverywhere(RoleEverywhereFor<Request>::kRole);
}

}  // namespace

grpc::ServerUnaryReactor* AdminService::GetRecord(grpc::CallbackServerContext* context,
                                                  const v1::GetRecordRequest* request,
                                                  v1::GetRecordResponse* response) {
  return StartUnary(environment_, *context, *request, response);
}

grpc::ServerUnaryReactor* AdminService::ListRecords(grpc::CallbackServerContext* context,
                                                    const v1::ListRecordsRequest* request,
                                                    v1::ListRecordsResponse* response) {
  Caller caller = CallerOf(environment_.access, *context);
  if (auto refusal = environment_.Check(*request, caller)) {
    return FinishAtOnce(context, ToGrpcStatus(*refusal));
  }
  auto* call = new ListCall(lister_, environment_.reply_budget, environment_.limits.page_bytes);
  call->Start(*request, response);
  return call;
}

grpc::ServerUnaryReactor* AdminService::ResolveOutcome(grpc::CallbackServerContext* context,
                                                       const v1::ResolveOutcomeRequest* request,
                                                       v1::ResolveOutcomeResponse* response) {
  return StartUnary(environment_, *context, *request, response);
}

grpc::ServerUnaryReactor* AdminService::ForceRelease(grpc::CallbackServerContext* context,
                                                     const v1::ForceReleaseRequest* request,
                                                     v1::ForceReleaseResponse* response) {
  return StartUnary(environment_, *context, *request, response);
}

grpc::ServerUnaryReactor* AdminService::DeleteRecord(grpc::CallbackServerContext* context,
                                                     const v1::DeleteRecordRequest* request,
                                                     v1::DeleteRecordResponse* response) {
  return StartUnary(environment_, *context, *request, response);
}

grpc::ServerUnaryReactor* AdminService::GetServerStatus(grpc::CallbackServerContext* context,
                                                        const v1::GetServerStatusRequest*,
                                                        v1::GetServerStatusResponse* response) {
  if (auto refusal = CheckCaller<v1::GetServerStatusRequest>(environment_, *context)) {
    return FinishAtOnce(context, ToGrpcStatus(*refusal));
  }
  fill_status_(response);
  return FinishAtOnce(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* AdminService::ClearRestoreDoubt(grpc::CallbackServerContext* context,
                                                          const v1::ClearRestoreDoubtRequest*,
                                                          v1::ClearRestoreDoubtResponse*) {
  if (auto refusal = CheckCaller<v1::ClearRestoreDoubtRequest>(environment_, *context)) {
    return FinishAtOnce(context, ToGrpcStatus(*refusal));
  }
  return FinishAtOnce(context, NotImplemented("ClearRestoreDoubt"));
}

grpc::ServerUnaryReactor* AdminService::CreateBackup(grpc::CallbackServerContext* context,
                                                     const v1::CreateBackupRequest*,
                                                     v1::CreateBackupResponse*) {
  if (auto refusal = CheckCaller<v1::CreateBackupRequest>(environment_, *context)) {
    return FinishAtOnce(context, ToGrpcStatus(*refusal));
  }
  return FinishAtOnce(context, NotImplemented("CreateBackup"));
}

grpc::ServerWriteReactor<v1::WatchRecordsResponse>* AdminService::WatchRecords(
    grpc::CallbackServerContext* context, const v1::WatchRecordsRequest* request) {
  using Reactor = grpc::ServerWriteReactor<v1::WatchRecordsResponse>;
  Caller caller = CallerOf(environment_.access, *context);
  if (auto refusal = caller.Check(RoleFor<v1::WatchRecordsRequest>::kRole,
                                  NamespaceOrDefault(request->namespace_()))) {
    return new EndedStream<Reactor>(ToGrpcStatus(*refusal));
  }
  return new EndedStream<Reactor>(NotImplemented("WatchRecords"));
}

}  // namespace latchkey
