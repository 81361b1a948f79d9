#include "server/machine/downstream_key.h"

#include <array>

#include <uuid/uuid.h>

namespace latchkey {
namespace {

struct Uuid {
  uuid_t bytes;
};

Uuid Uuid5(const Uuid& parent, std::string_view name) {
  Uuid uuid;
  uuid_generate_sha1(uuid.bytes, parent.bytes, name.data(), name.size());
  return uuid;
}

Uuid LatchkeyUuid() {
  Uuid url;
  uuid_copy(url.bytes, *uuid_get_template("url"));
  return Uuid5(url, "urn:latchkey");
}

}  // namespace

std::string DownstreamIdempotencyKey(std::string_view name_space, std::string_view key) {
  static const Uuid root = LatchkeyUuid();
  const Uuid uuid = Uuid5(Uuid5(root, name_space), key);
  std::array<char, UUID_STR_LEN> text{};
  uuid_unparse_lower(uuid.bytes, text.data());
  return text.data();
}

}  // namespace latchkey
