#include "storage/rocksdb/log_check.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include <rocksdb/file_checksum.h>
#include <rocksdb/file_system.h>

namespace latchkey::storage {
namespace {

// The format is LevelDB's: blocks of 32 KiB; in each, fragments of records with a header of a
// masked CRC-32C over type and data (4 bytes), the data's length (2) and the type (1), lowest byte
// first.
constexpr std::size_t kBlockBytes = 32768;
constexpr std::size_t kHeaderBytes = 7;
constexpr std::size_t kTypeAt = 6;

enum FragmentType : unsigned char { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

std::uint32_t Crc32c(std::string_view bytes) {
  rocksdb::FileChecksumGenContext context;
  const auto generator =
      rocksdb::GetFileChecksumGenCrc32cFactory()->CreateFileChecksumGenerator(context);
  generator->Update(bytes.data(), bytes.size());
  generator->Finalize();
  std::uint32_t crc = 0;
  for (const char byte : generator->GetChecksum()) {  // highest byte first
    crc = crc << 8 | static_cast<unsigned char>(byte);
  }
  return crc;
}

// A CRC is stored masked, because one over bytes that hold CRCs is weak.
std::uint32_t Mask(std::uint32_t crc) { return (crc >> 15 | crc << 17) + 0xa282ead8u; }

class Block {
 public:
  explicit Block(std::string_view bytes) : bytes_(bytes) {}

  bool HasHeader(std::size_t at) const { return at + kHeaderBytes <= bytes_.size(); }
  unsigned char Type(std::size_t at) const { return Byte(at + kTypeAt); }
  std::size_t End(std::size_t at) const {
    return at + kHeaderBytes + Byte(at + 4) + std::size_t{Byte(at + 5)} * 256;
  }

  bool IsIntact(std::size_t at) const {
    if (Type(at) < kFull || Type(at) > kLast || End(at) > bytes_.size()) return false;
    std::uint32_t stored = 0;
    for (std::size_t i = 4; i-- > 0;) stored = stored << 8 | Byte(at + i);
    return stored == Mask(Crc32c(bytes_.substr(at + kTypeAt, End(at) - at - kTypeAt)));
  }

  // Whether an intact record begins at `at` or, whatever lies in between, behind it.
  bool HasRecordFrom(std::size_t at) const {
    for (; HasHeader(at); ++at) {
      if ((Type(at) == kFull || Type(at) == kFirst) && IsIntact(at)) return true;
    }
    return false;
  }

 private:
  unsigned char Byte(std::size_t at) const { return static_cast<unsigned char>(bytes_[at]); }

  std::string_view bytes_;
};

// Looks for an intact record behind a damaged one, block by block.
class LogChecker {
 public:
  // Whether the log is still as a crash may leave it.
  bool Add(const Block& block) {
    std::size_t at = 0;
    if (!damaged_) {
      while (block.HasHeader(at) && block.IsIntact(at)) at = block.End(at);
      damaged_ = block.HasHeader(at);
    }
    return !damaged_ || !block.HasRecordFrom(at);
  }

 private:
  bool damaged_ = false;
};

rocksdb::IOStatus CheckLog(rocksdb::FileSystem& file_system, const std::string& name, bool* good) {
  std::unique_ptr<rocksdb::FSSequentialFile> file;
  rocksdb::IOStatus status =
      file_system.NewSequentialFile(name, rocksdb::FileOptions(), &file, nullptr);
  LogChecker checker;
  std::vector<char> buffer(kBlockBytes);
  rocksdb::Slice block;
  *good = true;
  while (status.ok() && *good) {
    status = file->Read(kBlockBytes, rocksdb::IOOptions(), &block, buffer.data(), nullptr);
    if (!status.ok() || block.empty()) break;
    *good = checker.Add(Block({block.data(), block.size()}));
  }
  return status;
}

}  // namespace

absl::Status CheckLogs(rocksdb::FileSystem& file_system, const std::string& database) {
  std::vector<std::string> children;
  rocksdb::IOStatus status =
      file_system.GetChildren(database, rocksdb::IOOptions(), &children, nullptr);
  for (const std::string& child : children) {
    if (!child.ends_with(".log")) continue;
    bool good = true;
    if (status.ok()) status = CheckLog(file_system, database + "/" + child, &good);
    if (good) continue;
    return absl::DataLossError("store in " + database + " is damaged: in its log " + child +
                               " records that were acknowledged cannot be read; restore it from a "
                               "backup");
  }
  if (status.ok()) return absl::OkStatus();
  return absl::UnavailableError("store in " + database + " cannot be read: " + status.ToString());
}

}  // namespace latchkey::storage
