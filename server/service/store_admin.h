// What operators do to the store as a whole: back it up, and end the doubt of a restore.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>

#include "server/calls/call_environment.h"
#include "server/machine/refusal.h"
#include "server/service/job_thread.h"

namespace latchkey::storage {
class RecordStore;
}

namespace latchkey::v1 {
class ClearRestoreDoubtRequest;
class ClearRestoreDoubtResponse;
class CreateBackupRequest;
class CreateBackupResponse;
}  // namespace latchkey::v1

namespace latchkey {

// Hears what was done, for the log. Called on some thread, after it is durable.
using StoreAudit = std::function<void(const v1::AuditEntry& done)>;

// Thread-safe; the calls never block. Each calls `done` exactly once, at once or from another
// thread, and the messages outlive that.
class StoreAdmin {
 public:
  using Done = std::function<void(const std::optional<Refusal>& refusal)>;

  // `backup_directory`: where backups go; empty: nowhere.
  StoreAdmin(const CallEnvironment& environment, storage::RecordStore& store, FailStop& fail_stop,
             std::string backup_directory, StoreAudit audit);

  void ClearRestoreDoubt(const v1::ClearRestoreDoubtRequest& request,
                         v1::ClearRestoreDoubtResponse* response, Done done);
  void CreateBackup(const v1::CreateBackupRequest& request, v1::CreateBackupResponse* response,
                    Done done);

  bool backup_running() const { return backup_running_.load(); }

  // Gives up a backup that is being made, and refuses what comes later.
  void Stop();

 private:
  std::optional<Refusal> Clear(const v1::ClearRestoreDoubtRequest& request,
                               v1::ClearRestoreDoubtResponse* response);
  std::optional<Refusal> BackUp(const v1::CreateBackupRequest& request,
                                v1::CreateBackupResponse* response);
  // Trips where the store has failed, which an error while its state is saved means.
  Refusal StoreFailed(const absl::Status& why);

  const CallEnvironment& environment_;
  storage::RecordStore& store_;
  FailStop& fail_stop_;
  const std::string backup_directory_;
  const StoreAudit audit_;
  std::atomic<bool> backup_running_ = false;
  std::atomic<bool> stopping_ = false;
  // A backup takes long; nothing else waits for it.
  JobThread backups_;
  JobThread others_;
};

}  // namespace latchkey
