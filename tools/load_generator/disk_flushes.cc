#include "tools/load_generator/disk_flushes.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fstream>
#include <string>

namespace latchkey::bench {
namespace {

// The place of the count in a line of /sys/block/*/stat, from 0.
constexpr int kFlushesField = 15;

}  // namespace

std::optional<std::uint64_t> DiskFlushes(const std::filesystem::path& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) return std::nullopt;
  std::filesystem::path device = "/sys/dev/block/" + std::to_string(major(status.st_dev)) + ":" +
                                 std::to_string(minor(status.st_dev));
  std::error_code ignored;
  // Flushes are those of the whole disk.
  if (std::filesystem::exists(device / "partition", ignored)) {
    device = std::filesystem::canonical(device, ignored).parent_path();
  }
  std::ifstream file(device / "stat");
  std::uint64_t count = 0;
  for (int field = 0; field <= kFlushesField; ++field) file >> count;
  if (!file || count == 0) return std::nullopt;
  return count;
}

}  // namespace latchkey::bench
