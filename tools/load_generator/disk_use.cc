#include "tools/load_generator/disk_use.h"

#include <cstdlib>
#include <cstring>
#include <string>

#include "tools/load_generator/run_program.h"

namespace latchkey::bench {
namespace {

constexpr char kCompact[] = "/usr/bin/ldb";
constexpr char kDescribe[] = "/usr/bin/sst_dump";
constexpr char kDone[] = "done";
// As docs/storage-format.md names them.
constexpr const char* kFamilies[] = {kDone, "live", "default"};

// What RocksDB adds to every key.
constexpr std::uint64_t kTrailerBytes = 8;
// Our flows are in the namespace "default", which goes before the key with a zero byte.
constexpr std::uint64_t kNamespaceBytes = sizeof("default");

// The number behind `name` in a line like "  name 12"; 0 if it is another line.
std::uint64_t NumberOf(const std::string& line, const char* name) {
  const std::size_t found = line.find(name);
  if (found == std::string::npos) return 0;
  return std::strtoull(line.c_str() + found + std::strlen(name), nullptr, 10);
}

// Adds a table's figures, in the order in which they are printed: sizes, then the family's name.
class TableReader {
 public:
  explicit TableReader(DiskUse& use) : use_(use) {}

  void Read(const std::string& line) {
    table_.records += NumberOf(line, "# entries:");
    table_.key_bytes += NumberOf(line, "raw key size:");
    table_.data_bytes += NumberOf(line, "data block size:");
    table_.index_bytes += NumberOf(line, "index block size (user-key? 1, delta-value? 1):");
    table_.filter_bytes += NumberOf(line, "filter block size:");
    if (line.find("column family name: ") == std::string::npos) return;
    if (line.ends_with(std::string(": ") + kDone)) {
      use_.records += table_.records;
      use_.key_bytes += table_.key_bytes - table_.records * (kTrailerBytes + kNamespaceBytes);
      use_.data_bytes += table_.data_bytes;
      use_.index_bytes += table_.index_bytes;
      use_.filter_bytes += table_.filter_bytes;
    }
    table_ = {};
  }

 private:
  DiskUse& use_;
  DiskUse table_;
};

}  // namespace

std::uint64_t BytesIn(const std::filesystem::path& store) {
  std::uint64_t bytes = 0;
  std::error_code gone;  // files come and go under a server
  for (const auto& file : std::filesystem::recursive_directory_iterator(store, gone)) {
    const std::uint64_t size = file.is_regular_file(gone) ? file.file_size(gone) : 0;
    if (!gone) bytes += size;
  }
  return bytes;
}

absl::StatusOr<DiskUse> CompactAndMeasure(const std::filesystem::path& store,
                                          const std::filesystem::path& log) {
  const std::string database = (store / "db").string();
  for (const char* family : kFamilies) {
    const auto compacted = RunProgram(
        {{kCompact, "--db=" + database, std::string("--column_family=") + family, "compact"},
         log.string()});
    if (!compacted.ok()) return compacted.status();
  }
  const auto described = RunProgram(
      {{kDescribe, "--file=" + database, "--command=identify", "--show_properties"}, log.string()});
  if (!described.ok()) return described.status();
  DiskUse use;
  TableReader reader(use);
  for (const std::string& line : *described) reader.Read(line);
  use.total_bytes = BytesIn(store);
  return use;
}

}  // namespace latchkey::bench
