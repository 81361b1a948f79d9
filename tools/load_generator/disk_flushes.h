// How often a disk was told to make its cache durable, which is what an fdatasync comes to.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace latchkey::bench {

// Cache flushes that the disk of `path` has completed since it was there, by whichever program;
// empty where the kernel does not count them: for instance for a file system in memory.
std::optional<std::uint64_t> DiskFlushes(const std::filesystem::path& path);

}  // namespace latchkey::bench
