#include "server/service/admin_service.h"

#include "server/service/not_implemented.h"

namespace latchkey {

grpc::ServerUnaryReactor* AdminService::GetRecord(grpc::CallbackServerContext*,
                                                  const v1::GetRecordRequest* request,
                                                  v1::GetRecordResponse* response) {
  return environment_.Start(*request, response);
}

grpc::ServerUnaryReactor* AdminService::ListRecords(grpc::CallbackServerContext* context,
                                                    const v1::ListRecordsRequest* request,
                                                    v1::ListRecordsResponse* response) {
  auto* reactor = context->DefaultReactor();
  if (auto refusal = environment_.Check(*request)) {
    reactor->Finish(ToGrpcStatus(*refusal));
  } else {
    lister_.List(*request, response, [reactor](const std::optional<Refusal>& refused) {
      reactor->Finish(refused.has_value() ? ToGrpcStatus(*refused) : grpc::Status::OK);
    });
  }
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::ResolveOutcome(grpc::CallbackServerContext*,
                                                       const v1::ResolveOutcomeRequest* request,
                                                       v1::ResolveOutcomeResponse* response) {
  return environment_.Start(*request, response);
}

grpc::ServerUnaryReactor* AdminService::ForceRelease(grpc::CallbackServerContext*,
                                                     const v1::ForceReleaseRequest* request,
                                                     v1::ForceReleaseResponse* response) {
  return environment_.Start(*request, response);
}

grpc::ServerUnaryReactor* AdminService::DeleteRecord(grpc::CallbackServerContext*,
                                                     const v1::DeleteRecordRequest* request,
                                                     v1::DeleteRecordResponse* response) {
  return environment_.Start(*request, response);
}

grpc::ServerUnaryReactor* AdminService::GetServerStatus(grpc::CallbackServerContext* context,
                                                        const v1::GetServerStatusRequest*,
                                                        v1::GetServerStatusResponse* response) {
  fill_status_(response);
  return FinishAtOnce(context, grpc::Status::OK);
}

grpc::ServerUnaryReactor* AdminService::ClearRestoreDoubt(grpc::CallbackServerContext* context,
                                                          const v1::ClearRestoreDoubtRequest*,
                                                          v1::ClearRestoreDoubtResponse*) {
  return FinishAtOnce(context, NotImplemented("ClearRestoreDoubt"));
}

grpc::ServerUnaryReactor* AdminService::CreateBackup(grpc::CallbackServerContext* context,
                                                     const v1::CreateBackupRequest*,
                                                     v1::CreateBackupResponse*) {
  return FinishAtOnce(context, NotImplemented("CreateBackup"));
}

grpc::ServerWriteReactor<v1::WatchRecordsResponse>* AdminService::WatchRecords(
    grpc::CallbackServerContext*, const v1::WatchRecordsRequest*) {
  using Reactor = grpc::ServerWriteReactor<v1::WatchRecordsResponse>;
  return new EndedStream<Reactor>(NotImplemented("WatchRecords"));
}

}  // namespace latchkey
