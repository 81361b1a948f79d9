// The admin API over gRPC.
#pragma once

#include <functional>

#include "latchkey/v1/admin.grpc.pb.h"
#include "server/calls/call_environment.h"
#include "server/service/record_lister.h"
#include "server/service/record_watches.h"
#include "server/service/store_admin.h"

namespace latchkey {

// Thread-safe; the methods never block.
class AdminService final : public v1::AdminService::CallbackService {
 public:
  // `fill_status` answers GetServerStatus.
  AdminService(const CallEnvironment& environment, RecordLister& lister, RecordWatches& watches,
               StoreAdmin& store_admin,
               std::function<void(v1::GetServerStatusResponse*)> fill_status)
      : environment_(environment),
        lister_(lister),
        watches_(watches),
        store_admin_(store_admin),
        fill_status_(std::move(fill_status)) {}

  grpc::ServerUnaryReactor* GetRecord(grpc::CallbackServerContext* context,
                                      const v1::GetRecordRequest* request,
                                      v1::GetRecordResponse* response) override;
  grpc::ServerUnaryReactor* ListRecords(grpc::CallbackServerContext* context,
                                        const v1::ListRecordsRequest* request,
                                        v1::ListRecordsResponse* response) override;
  grpc::ServerUnaryReactor* ResolveOutcome(grpc::CallbackServerContext* context,
                                           const v1::ResolveOutcomeRequest* request,
                                           v1::ResolveOutcomeResponse* response) override;
  grpc::ServerUnaryReactor* ForceRelease(grpc::CallbackServerContext* context,
                                         const v1::ForceReleaseRequest* request,
                                         v1::ForceReleaseResponse* response) override;
  grpc::ServerUnaryReactor* DeleteRecord(grpc::CallbackServerContext* context,
                                         const v1::DeleteRecordRequest* request,
                                         v1::DeleteRecordResponse* response) override;
  grpc::ServerUnaryReactor* GetServerStatus(grpc::CallbackServerContext* context,
                                            const v1::GetServerStatusRequest* request,
                                            v1::GetServerStatusResponse* response) override;
  grpc::ServerUnaryReactor* ClearRestoreDoubt(grpc::CallbackServerContext* context,
                                              const v1::ClearRestoreDoubtRequest* request,
                                              v1::ClearRestoreDoubtResponse* response) override;
  grpc::ServerUnaryReactor* CreateBackup(grpc::CallbackServerContext* context,
                                         const v1::CreateBackupRequest* request,
                                         v1::CreateBackupResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchRecordsResponse>* WatchRecords(
      grpc::CallbackServerContext* context, const v1::WatchRecordsRequest* request) override;

 private:
  const CallEnvironment& environment_;
  RecordLister& lister_;
  RecordWatches& watches_;
  StoreAdmin& store_admin_;
  const std::function<void(v1::GetServerStatusResponse*)> fill_status_;
};

}  // namespace latchkey
