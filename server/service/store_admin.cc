#include "server/service/store_admin.h"

#include <utility>

#include "latchkey/v1/admin.pb.h"
#include "server/machine/proto_time.h"
#include "server/machine/request_checks.h"
#include "storage/record_store.h"

namespace latchkey {
namespace {

using R = v1::Refusal;

constexpr std::size_t kJobsMax = 100;

Refusal BackupRunning() {
  return {R::BACKUP_RUNNING,
          "another backup is being made; ask again when it is done",
          {},
          std::chrono::seconds(1)};
}

Refusal NoBackupDirectory() {
  return {R::BACKUP_UNAVAILABLE,
          "this server has no directory for backups: start it with the setting backup_directory",
          {{"setting", "backup_directory"}},
          {}};
}

// Of a backup that was not made.
Refusal NotMade(const absl::Status& why) {
  const std::string message(why.message());
  if (absl::IsCancelled(why)) return ShuttingDown();
  if (absl::IsUnimplemented(why) || absl::IsFailedPrecondition(why)) {
    return {R::BACKUP_UNAVAILABLE, message, {}, {}};
  }
  return {R::BACKUP_FAILED, message, {}, {}};
}

template <class Request>
v1::AuditEntry EntryOf(const Request& request, const char* action, std::string detail) {
  v1::AuditEntry entry;
  entry.set_action(action);
  entry.set_actor(request.actor());
  entry.set_reason(request.reason());
  entry.set_detail(std::move(detail));
  return entry;
}

template <class Request>
std::optional<Refusal> CheckWhoAndWhy(const Request& request, const Limits& limits) {
  CheckContext context;
  context.limits = &limits;
  return CheckRequest(request, context);
}

}  // namespace

StoreAdmin::StoreAdmin(const CallEnvironment& environment, storage::RecordStore& store,
                       FailStop& fail_stop, std::string backup_directory, StoreAudit audit)
    : environment_(environment),
      store_(store),
      fail_stop_(fail_stop),
      backup_directory_(std::move(backup_directory)),
      audit_(std::move(audit)),
      backups_(1),
      others_(kJobsMax) {}

void StoreAdmin::ClearRestoreDoubt(const v1::ClearRestoreDoubtRequest& request,
                                   v1::ClearRestoreDoubtResponse* response, Done done) {
  if (auto wrong = CheckWhoAndWhy(request, environment_.limits)) return done(wrong);
  if (auto down = environment_.NotServing()) return done(down);
  const bool taken = others_.Post([this, &request, response, done](bool stopping) {
    done(stopping ? ShuttingDown() : Clear(request, response));
  });
  if (!taken) done(Overloaded());
}

void StoreAdmin::CreateBackup(const v1::CreateBackupRequest& request,
                              v1::CreateBackupResponse* response, Done done) {
  if (auto wrong = CheckWhoAndWhy(request, environment_.limits)) return done(wrong);
  if (auto down = environment_.NotServing()) return done(down);
  if (backup_directory_.empty()) return done(NoBackupDirectory());
  if (backup_running_.exchange(true)) return done(BackupRunning());
  const bool taken = backups_.Post([this, &request, response, done](bool stopping) {
    const auto refusal = stopping ? ShuttingDown() : BackUp(request, response);
    backup_running_.store(false);
    done(refusal);
  });
  if (taken) return;
  backup_running_.store(false);
  done(ShuttingDown());
}

std::optional<Refusal> StoreAdmin::Clear(const v1::ClearRestoreDoubtRequest& request,
                                         v1::ClearRestoreDoubtResponse* response) {
  const Restore restore = environment_.retention.restore();
  const v1::AuditEntry entry =
      EntryOf(request, "ClearRestoreDoubt", "absent keys are granted in mode EXECUTE again");
  const auto cleared = environment_.retention.ClearRestoreDoubt(entry);
  if (!cleared.ok()) return StoreFailed(cleared.status());
  response->set_was_in_doubt(*cleared);
  if (!restore.in_doubt) return std::nullopt;
  environment_.partitions.ServeAbsentKeys();
  if (audit_) audit_(entry);
  return std::nullopt;
}

std::optional<Refusal> StoreAdmin::BackUp(const v1::CreateBackupRequest& request,
                                          v1::CreateBackupResponse* response) {
  const auto made = store_.CreateBackup({.directory = backup_directory_,
                                         .keep_newest = request.keep_newest(),
                                         .stop = [this] { return stopping_.load(); }});
  if (!made.ok()) return NotMade(made.status());
  response->set_backup_id(std::to_string(made->id));
  response->set_size_bytes(made->size_bytes);
  SetProto(WallTime(std::chrono::seconds(made->taken_at_seconds)), response->mutable_taken_at());
  response->set_copied_bytes(made->copied_bytes);
  response->set_files(made->files);
  response->set_backups(made->backups);
  response->set_records_estimate(made->records_estimate);
  response->set_fencing_token(made->fencing_token);
  const v1::AuditEntry entry =
      EntryOf(request, "CreateBackup",
              "backup " + std::to_string(made->id) + ", " + std::to_string(made->size_bytes) +
                  " bytes, of which " + std::to_string(made->copied_bytes) + " were copied");
  if (auto kept = environment_.retention.Audit(entry); !kept.ok()) return StoreFailed(kept);
  if (audit_) audit_(entry);
  return std::nullopt;
}

Refusal StoreAdmin::StoreFailed(const absl::Status& why) {
  if (!storage::HasFailed(store_, why)) return StoreDidNotAnswer();
  fail_stop_.Trip(std::string(why.message()));
  return StorageUnavailable();
}

void StoreAdmin::Stop() {
  stopping_.store(true);
  backups_.Stop();
  others_.Stop();
}

}  // namespace latchkey
