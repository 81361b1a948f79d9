#include "server/service/uuid7.h"

#include <array>
#include <cstdlib>

#include <openssl/rand.h>
#include <uuid/uuid.h>

namespace latchkey {

std::string NewUuid7(WallTime now) {
  uuid_t uuid;
  // Without randomness two callers could get one key, so there is nothing to go on with.
  if (RAND_bytes(uuid, sizeof(uuid)) != 1) std::abort();
  auto millis = static_cast<std::uint64_t>(ToNanos(now) / 1'000'000);
  for (int i = 5; i >= 0; --i, millis >>= 8) uuid[i] = static_cast<unsigned char>(millis);
  uuid[6] = static_cast<unsigned char>((uuid[6] & 0x0F) | 0x70);  // version 7
  uuid[8] = static_cast<unsigned char>((uuid[8] & 0x3F) | 0x80);  // RFC variant
  std::array<char, UUID_STR_LEN> text{};
  uuid_unparse_lower(uuid, text.data());
  return text.data();
}

}  // namespace latchkey
