#include "server/service/admin_service.h"

#include "server/service/at_once.h"
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

// For a call that is answered by another thread, or at once.
StoreAdmin::Done FinishLater(grpc::ServerUnaryReactor* reactor) {
  return [reactor](const std::optional<Refusal>& refusal) {
    reactor->Finish(refusal.has_value() ? ToGrpcStatus(*refusal) : grpc::Status::OK);
  };
}

}  // namespace

grpc::ServerUnaryReactor* AdminService::GetRecord(grpc::CallbackServerContext*,
                                                  const v1::GetRecordRequest* request,
                                                  v1::GetRecordResponse* response) {
  return StartUnary(environment_, *request, response);
}

grpc::ServerUnaryReactor* AdminService::ListRecords(grpc::CallbackServerContext* context,
                                                    const v1::ListRecordsRequest* request,
                                                    v1::ListRecordsResponse* response) {
  if (auto refusal = environment_.Check(*request)) {
    return FinishAtOnce(context, ToGrpcStatus(*refusal));
  }
  auto* call = new ListCall(lister_, environment_.reply_budget, environment_.limits.page_bytes);
  call->Start(*request, response);
  return call;
}

grpc::ServerUnaryReactor* AdminService::ResolveOutcome(grpc::CallbackServerContext*,
                                                       const v1::ResolveOutcomeRequest* request,
                                                       v1::ResolveOutcomeResponse* response) {
  return StartUnary(environment_, *request, response);
}

grpc::ServerUnaryReactor* AdminService::ForceRelease(grpc::CallbackServerContext*,
                                                     const v1::ForceReleaseRequest* request,
                                                     v1::ForceReleaseResponse* response) {
  return StartUnary(environment_, *request, response);
}

grpc::ServerUnaryReactor* AdminService::DeleteRecord(grpc::CallbackServerContext*,
                                                     const v1::DeleteRecordRequest* request,
                                                     v1::DeleteRecordResponse* response) {
  return StartUnary(environment_, *request, response);
}

grpc::ServerUnaryReactor* AdminService::GetServerStatus(grpc::CallbackServerContext* context,
                                                        const v1::GetServerStatusRequest*,
                                                        v1::GetServerStatusResponse* response) {
  fill_status_(response);
  return FinishAtOnce(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* AdminService::ClearRestoreDoubt(
    grpc::CallbackServerContext* context, const v1::ClearRestoreDoubtRequest* request,
    v1::ClearRestoreDoubtResponse* response) {
  auto* reactor = context->DefaultReactor();
  store_admin_.ClearRestoreDoubt(*request, response, FinishLater(reactor));
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::CreateBackup(grpc::CallbackServerContext* context,
                                                     const v1::CreateBackupRequest* request,
                                                     v1::CreateBackupResponse* response) {
  auto* reactor = context->DefaultReactor();
  store_admin_.CreateBackup(*request, response, FinishLater(reactor));
  return reactor;
}

grpc::ServerWriteReactor<v1::WatchRecordsResponse>* AdminService::WatchRecords(
    grpc::CallbackServerContext* context, const v1::WatchRecordsRequest* request) {
  using Reactor = grpc::ServerWriteReactor<v1::WatchRecordsResponse>;
  auto refusal = environment_.Check(*request);
  if (!refusal.has_value()) refusal = environment_.NotServing();
  if (refusal.has_value()) return new EndedStream<Reactor>(ToGrpcStatus(*refusal));
  return watches_.Open(*context, *request);
}

}  // namespace latchkey
