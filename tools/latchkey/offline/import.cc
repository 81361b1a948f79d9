#include <fstream>
#include <iostream>
#include <memory>

#include "base/clock.h"
#include "storage/etcd/etcd_record_store.h"
#include "storage/new_directory.h"
#include "storage/rocksdb/rocksdb_record_store.h"
#include "storage/transfer.h"
#include "tools/latchkey/commands/commands.h"
#include "tools/latchkey/offline/store.h"

namespace latchkey::cli {
namespace {

struct Options {
  std::string to;
  storage::EtcdFiles etcd;
  std::string file = "-";
  bool moved = false;
};

absl::StatusOr<storage::Imported> ImportToEtcd(const Options& options,
                                               const storage::ImportOrder& order,
                                               std::istream& in) {
  auto etcd = EtcdOptionsOf(options.to, options.etcd);
  if (!etcd.ok()) return etcd.status();
  SystemClock clock;
  auto store = storage::EtcdRecordStore::OpenNew(*std::move(etcd), clock);
  if (!store.ok()) return store.status();
  auto imported = storage::ImportRecords(in, order, **store);
  if (!imported.ok()) return imported;
  if (auto finished = (*store)->FinishFilling(); !finished.ok()) return finished;
  return imported;
}

absl::StatusOr<storage::Imported> Import(const Options& options, std::istream& in) {
  const storage::ImportOrder order{.now = SystemClock().Wall(), .moved = options.moved};
  if (IsEtcd(options.to)) return ImportToEtcd(options, order, in);
  auto directory = storage::NewDirectory::Begin(DirectoryOf(options.to));
  if (!directory.ok()) return directory.status();
  auto store = storage::RocksDbRecordStore::Open(directory->path(), {});
  if (!store.ok()) return store.status();
  auto imported = storage::ImportRecords(in, order, **store);
  const absl::Status closed = (*store)->Close();
  if (!imported.ok()) return imported;
  if (!closed.ok()) return closed;
  if (auto finished = directory->Finish(); !finished.ok()) return finished;
  return imported;
}

int ImportAndSay(const Options& options) {
  std::ifstream file;
  if (options.file != "-") {
    file.open(options.file, std::ios::binary);
    if (!file.good()) {
      Note(options.file + " cannot be read");
      return kFailed;
    }
  }
  const auto imported = Import(options, options.file == "-" ? std::cin : file);
  if (!imported.ok()) return FailOffline(imported.status());
  Note("imported " + std::to_string(imported->records) + " records; fencing tokens go on above " +
       std::to_string(imported->token_now) +
       (options.moved ? ""
                      : "; keys without a record are in doubt until you run latchkey "
                        "clear-restore-doubt"));
  return kDone;
}

}  // namespace

void AddImport(Cli& cli) {
  const auto options = std::make_shared<Options>();
  CLI::App& sub =
      cli.Add("import", "Make a new store of what export has written",
              "  latchkey import --to=rocksdb:/var/lib/latchkey --moved < records.jsonl",
              [options](Session&) { return ImportAndSay(*options); });
  sub.add_option(
         "--to", options->to,
         "the new store: its directory is absent or empty, or etcd has nothing under its prefix")
      ->type_name("rocksdb:DIRECTORY|etcd://HOST:PORT,...")
      ->required();
  AddEtcdOptions(sub, options->etcd);
  sub.add_option("--file", options->file, "what to read [the standard input]")->type_name("FILE");
  sub.add_flag("--moved", options->moved,
               "the exported store was stopped before, and will not be started again: nothing has "
               "happened since, and nothing is in doubt");
}

}  // namespace latchkey::cli
