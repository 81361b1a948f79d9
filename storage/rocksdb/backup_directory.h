// A directory of backups, and how one is made.
//
//   <directory>/LATCHKEY_BACKUPS   says that it is for backups, and its format version
//   <directory>/LOCK               locked by the process that makes one
//   <directory>/meta, private, shared_checksum   RocksDB's backup engine's own
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/record_store.h"

namespace rocksdb {
class DB;
class Env;
}  // namespace rocksdb

namespace latchkey::storage {

// Of the directory and of what each backup says about itself.
inline constexpr int kBackupFormatVersion = 1;

// Backs up an open database, verified, and deletes what is too old; see RecordStore::CreateBackup.
// `store_directory` is where the store is: backups do not belong into it, nor it among them.
absl::StatusOr<BackupMade> MakeBackup(rocksdb::DB& database, rocksdb::Env& environment,
                                      const std::string& store_directory,
                                      std::uint64_t fencing_token, const BackupOrder& order);

// FAILED_PRECONDITION, with one line that says why, if there are no backups that this build reads.
absl::Status CheckBackupDirectory(const std::string& directory);

// What is kept with each backup, for RestoreBackup. The format is the store's.
std::string DescribeBackup(std::uint64_t fencing_token);
// FAILED_PRECONDITION for one that this build cannot read, with what it is.
absl::Status CheckBackupDescription(const std::string& description);

}  // namespace latchkey::storage
