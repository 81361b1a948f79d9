#include "server/main/open_store.h"

#include <string>
#include <utility>

#include "storage/etcd/etcd_files.h"
#include "storage/etcd/etcd_record_store.h"
#include "storage/memory_record_store.h"
#include "storage/rocksdb/rocksdb_record_store.h"

namespace latchkey {
namespace {

constexpr char kRocksDb[] = "rocksdb:";
constexpr char kEtcd[] = "etcd:";

absl::StatusOr<storage::EtcdOptions> EtcdOptionsOf(const Settings& settings) {
  auto options = storage::ParseEtcdAddress(settings.store);
  if (!options.ok()) return options;
  const absl::Status read = storage::ReadEtcdFiles(settings.etcd.files, *options);
  if (!read.ok()) return read;
  options->quota_bytes = settings.etcd.quota_bytes.value_or(options->quota_bytes);
  return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<storage::RecordStore>> OpenStore(const Settings& settings,
                                                                Clock& clock,
                                                                storage::Expire expire) {
  if (settings.store.starts_with(kEtcd)) {
    auto options = EtcdOptionsOf(settings);
    if (!options.ok()) return options.status();
    auto opened = storage::EtcdRecordStore::Open(*std::move(options), clock, std::move(expire));
    if (!opened.ok()) return opened.status();
    return std::unique_ptr<storage::RecordStore>(*std::move(opened));
  }
  if (!settings.store.starts_with(kRocksDb)) return std::make_unique<storage::MemoryRecordStore>();
  storage::RocksDbStoreOptions options;
  options.expire = std::move(expire);
  auto opened = storage::RocksDbRecordStore::Open(
      settings.store.substr(std::string_view(kRocksDb).size()), std::move(options));
  if (!opened.ok()) return opened.status();
  return std::unique_ptr<storage::RecordStore>(*std::move(opened));
}

}  // namespace latchkey
