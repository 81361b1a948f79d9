#include "server/main/open_store.h"

#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include "storage/etcd/etcd_record_store.h"
#include "storage/memory_record_store.h"
#include "storage/rocksdb/rocksdb_record_store.h"

namespace latchkey {
namespace {

constexpr char kRocksDb[] = "rocksdb:";
constexpr char kEtcd[] = "etcd:";

// Does nothing where no file is named.
absl::Status ReadInto(const char* setting, const std::string& path, std::string& text) {
  if (path.empty()) return absl::OkStatus();
  std::ifstream file(path, std::ios::binary);
  text.assign(std::istreambuf_iterator<char>(file), {});
  if (file.bad() || text.empty()) {
    return absl::NotFoundError(std::string(setting) + ": " + path + " cannot be read, or is empty");
  }
  return absl::OkStatus();
}

absl::StatusOr<storage::EtcdOptions> EtcdOptionsOf(const Settings& settings) {
  auto options = storage::ParseEtcdAddress(settings.store);
  if (!options.ok()) return options;
  const EtcdSettings& etcd = settings.etcd;
  for (const absl::Status& read :
       {ReadInto("etcd_ca", etcd.ca, options->ca),
        ReadInto("etcd_certificate", etcd.certificate, options->certificate),
        ReadInto("etcd_key", etcd.key, options->key),
        ReadInto("etcd_password_file", etcd.password_file, options->password)}) {
    if (!read.ok()) return read;
  }
  if (options->certificate.empty() != options->key.empty()) {
    return absl::InvalidArgumentError("etcd_certificate and etcd_key are given together");
  }
  if (options->ca.empty() && !options->certificate.empty()) {
    return absl::InvalidArgumentError("etcd_certificate needs etcd_ca");
  }
  if (etcd.user.empty() != options->password.empty()) {
    return absl::InvalidArgumentError("etcd_user and etcd_password_file are given together");
  }
  while (!options->password.empty() && options->password.back() == '\n') {
    options->password.pop_back();
  }
  options->user = etcd.user;
  options->quota_bytes = etcd.quota_bytes.value_or(options->quota_bytes);
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
