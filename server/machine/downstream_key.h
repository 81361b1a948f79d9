// The idempotency key that every attempt of a key sends to the provider.
#pragma once

#include <string>
#include <string_view>

namespace latchkey {

// A UUIDv5 (RFC 9562) of namespace and key alone, the same for ever, which anybody can compute:
// uuid5(uuid5(uuid5(NAMESPACE_URL, "urn:latchkey"), namespace), key). 36 characters, lower case.
std::string DownstreamIdempotencyKey(std::string_view name_space, std::string_view key);

}  // namespace latchkey
