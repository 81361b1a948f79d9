#include "tools/latchkey/offline/store.h"

#include <string_view>

#include "tools/latchkey/output.h"

namespace latchkey::cli {

std::string DirectoryOf(const std::string& store) {
  constexpr std::string_view kRocksDb = "rocksdb:";
  return store.starts_with(kRocksDb) ? store.substr(kRocksDb.size()) : store;
}

bool IsEtcd(const std::string& store) { return store.starts_with("etcd:"); }

void AddEtcdOptions(CLI::App& sub, storage::EtcdFiles& files) {
  sub.add_option("--etcd-ca", files.ca, "PEM file with the authorities of etcd's certificates")
      ->type_name("FILE");
  sub.add_option("--etcd-certificate", files.certificate, "PEM file shown to etcd")
      ->type_name("FILE");
  sub.add_option("--etcd-key", files.key, "PEM file with its private key")->type_name("FILE");
  sub.add_option("--etcd-user", files.user, "user of etcd")->type_name("NAME");
  sub.add_option("--etcd-password-file", files.password_file, "file with that user's password")
      ->type_name("FILE");
}

absl::StatusOr<storage::EtcdOptions> EtcdOptionsOf(const std::string& store,
                                                   const storage::EtcdFiles& files) {
  auto options = storage::ParseEtcdAddress(store);
  if (!options.ok()) return options;
  if (absl::Status read = storage::ReadEtcdFiles(files, *options); !read.ok()) return read;
  options->compact_after = Duration::zero();
  return options;
}

void AddTokenFloorOption(CLI::App& sub, std::uint64_t& floor) {
  sub.add_option("--token-floor", floor,
                 "begin fencing tokens above this one, too, if you know of so high a one")
      ->type_name("NUMBER");
}

std::string TokensMovedJson(std::uint64_t before, std::uint64_t now) {
  return R"("token_before":")" + std::to_string(before) + R"(","token_now":")" +
         std::to_string(now) + R"(","tokens_moved_by":")" + std::to_string(now - before) + "\"";
}

std::string TokensMovedText(std::uint64_t before, std::uint64_t now) {
  return "fencing tokens are moved on by " + std::to_string(now - before) + ", from " +
         std::to_string(before) + " to " + std::to_string(now) +
         "\nkeys without a record are in doubt until you run latchkey clear-restore-doubt\n";
}

int FailOffline(const absl::Status& status) {
  Note(std::string(status.message()));
  return absl::IsFailedPrecondition(status) ? kRefused : kFailed;
}

}  // namespace latchkey::cli
