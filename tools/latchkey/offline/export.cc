#include <fstream>
#include <iostream>
#include <memory>

#include "base/clock.h"
#include "storage/etcd/etcd_record_store.h"
#include "storage/rocksdb/rocksdb_record_store.h"
#include "storage/transfer.h"
#include "tools/latchkey/commands/commands.h"
#include "tools/latchkey/offline/store.h"

namespace latchkey::cli {
namespace {

struct Options {
  std::string store;
  storage::EtcdFiles etcd;
  std::string file = "-";
};

// A store is made where there is none, and this must not do that.
absl::Status CheckStore(const std::string& directory) {
  if (std::ifstream(directory + "/LATCHKEY").good()) return absl::OkStatus();
  return absl::FailedPreconditionError("there is no Latchkey store in " + directory);
}

absl::StatusOr<std::unique_ptr<storage::RecordStore>> Open(const Options& options, Clock& clock) {
  if (IsEtcd(options.store)) {
    auto etcd = EtcdOptionsOf(options.store, options.etcd);
    if (!etcd.ok()) return etcd.status();
    return storage::EtcdRecordStore::OpenExisting(*std::move(etcd), clock);
  }
  const std::string directory = DirectoryOf(options.store);
  if (auto there = CheckStore(directory); !there.ok()) return there;
  return storage::RocksDbRecordStore::Open(directory, {});
}

int Export(const Options& options) {
  SystemClock clock;
  auto store = Open(options, clock);
  if (!store.ok()) return FailOffline(store.status());
  std::ofstream file;
  if (options.file != "-") {
    file.open(options.file, std::ios::binary | std::ios::trunc);
    if (!file.good()) {
      Note(options.file + " cannot be written");
      return kFailed;
    }
  }
  std::ostream& out = options.file == "-" ? std::cout : file;
  const auto exported = storage::ExportRecords(**store, clock.Wall(), out);
  const absl::Status closed = (*store)->Close();
  if (!exported.ok()) return FailOffline(exported.status());
  if (!closed.ok()) return FailOffline(closed);
  Note("exported " + std::to_string(exported->records) + " records; no fencing token above " +
       std::to_string(exported->fencing_token) + " was given");
  return kDone;
}

}  // namespace

void AddExport(Cli& cli) {
  const auto options = std::make_shared<Options>();
  CLI::App& sub = cli.Add("export", "Write a store as JSON lines, with no server running on it",
                          "  latchkey export --store=rocksdb:/var/lib/latchkey > records.jsonl",
                          [options](Session&) { return Export(*options); });
  sub.add_option("--store", options->store, "the store, as in the server's settings")
      ->type_name("rocksdb:DIRECTORY|etcd://HOST:PORT,...")
      ->required();
  AddEtcdOptions(sub, options->etcd);
  sub.add_option("--file", options->file, "where to write [the standard output]")
      ->type_name("FILE");
}

}  // namespace latchkey::cli
