#include "server/service/admin_service.h"

#include "server/service/at_once.h"
#include "server/service/unary_call.h"

namespace latchkey {
namespace {

// A page is made only when there is room for the largest, so that the pages that wait for their
// turn take no memory.
class ListCall final : public grpc::ServerUnaryReactor {
 public:
  ListCall(const CallEnvironment& environment, RecordLister& lister)
      : environment_(environment), lister_(lister) {}

  void Start(const v1::ListRecordsRequest& request, v1::ListRecordsResponse* response) {
    environment_.reply_budget.Acquire(page_bytes(), [this, &request, response] {
      lister_.List(request, response, [this](const std::optional<Refusal>& refused) {
        environment_.Answered(Rpc::kListRecords, arrived_, refused);
        Finish(refused.has_value() ? ToGrpcStatus(*refused) : grpc::Status::OK);
      });
    });
  }

  void OnDone() override {
    environment_.reply_budget.Release(page_bytes());
    delete this;
  }

 private:
  std::size_t page_bytes() const { return environment_.limits.page_bytes; }

  const CallEnvironment& environment_;
  RecordLister& lister_;
  const MonotonicTime arrived_ = environment_.clock.Monotonic();
};

// For calls that concern all namespaces.
template <class Request>
std::optional<Refusal> CheckCaller(const CallEnvironment& environment,
                                   const grpc::CallbackServerContext& context) {
  return CallerOf(environment.access, context).CheckEverywhere(RoleEverywhereFor<Request>::kRole);
}

// For a call that is answered by another thread, or at once.
StoreAdmin::Done FinishLater(const CallEnvironment& environment, Rpc rpc,
                             grpc::ServerUnaryReactor* reactor) {
  const MonotonicTime arrived = environment.clock.Monotonic();
  return [&environment, rpc, arrived, reactor](const std::optional<Refusal>& refusal) {
    environment.Answered(rpc, arrived, refusal);
    reactor->Finish(refusal.has_value() ? ToGrpcStatus(*refusal) : grpc::Status::OK);
  };
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
    environment_.Answered(Rpc::kListRecords, environment_.clock.Monotonic(), refusal);
    return FinishAtOnce(context, ToGrpcStatus(*refusal));
  }
  auto* call = new ListCall(environment_, lister_);
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
  const MonotonicTime arrived = environment_.clock.Monotonic();
  if (auto refusal = CheckCaller<v1::GetServerStatusRequest>(environment_, *context)) {
    environment_.Answered(Rpc::kGetServerStatus, arrived, refusal);
    return FinishAtOnce(context, ToGrpcStatus(*refusal));
  }
  fill_status_(response);
  environment_.Answered(Rpc::kGetServerStatus, arrived, std::nullopt);
  return FinishAtOnce(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* AdminService::ClearRestoreDoubt(
    grpc::CallbackServerContext* context, const v1::ClearRestoreDoubtRequest* request,
    v1::ClearRestoreDoubtResponse* response) {
  auto* reactor = context->DefaultReactor();
  const auto done = FinishLater(environment_, Rpc::kClearRestoreDoubt, reactor);
  if (auto refusal = CheckCaller<v1::ClearRestoreDoubtRequest>(environment_, *context)) {
    done(refusal);
  } else {
    store_admin_.ClearRestoreDoubt(*request, response, done);
  }
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::CreateBackup(grpc::CallbackServerContext* context,
                                                     const v1::CreateBackupRequest* request,
                                                     v1::CreateBackupResponse* response) {
  auto* reactor = context->DefaultReactor();
  const auto done = FinishLater(environment_, Rpc::kCreateBackup, reactor);
  if (auto refusal = CheckCaller<v1::CreateBackupRequest>(environment_, *context)) {
    done(refusal);
  } else {
    store_admin_.CreateBackup(*request, response, done);
  }
  return reactor;
}

grpc::ServerWriteReactor<v1::WatchRecordsResponse>* AdminService::WatchRecords(
    grpc::CallbackServerContext* context, const v1::WatchRecordsRequest* request) {
  Caller caller = CallerOf(environment_.access, *context);
  auto refusal = environment_.Check(*request, caller);
  if (!refusal.has_value()) refusal = environment_.NotServing();
  if (refusal.has_value()) return watches_.Refuse(*refusal);
  return watches_.Open(*context, *request, std::move(caller));
}

}  // namespace latchkey
