#include "attempt_id.h"

#include <array>
#include <cstdint>
#include <cstdio>

namespace latchkey::inline client::internal {

std::string MakeAttemptId(Runtime& runtime) {
  const std::uint64_t high = (runtime.Random() & ~0xF000ULL) | 0x4000ULL;
  const std::uint64_t low = (runtime.Random() & ~(3ULL << 62)) | (2ULL << 62);
  std::array<char, 37> text;
  std::snprintf(text.data(), text.size(), "%08x-%04x-%04x-%04x-%012llx",
                static_cast<unsigned>(high >> 32), static_cast<unsigned>(high >> 16 & 0xFFFF),
                static_cast<unsigned>(high & 0xFFFF), static_cast<unsigned>(low >> 48),
                static_cast<unsigned long long>(low & 0xFFFFFFFFFFFFULL));
  return text.data();
}

}  // namespace latchkey::inline client::internal
