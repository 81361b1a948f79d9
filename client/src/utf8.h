// Strings of the API are UTF-8; a message with anything else in it never reaches the service.
#pragma once

#include <string>
#include <string_view>

namespace latchkey::inline client::internal {

// `text` with U+FFFD for every byte that is not part of well-formed UTF-8 (RFC 3629).
std::string ToUtf8(std::string_view text);

}  // namespace latchkey::inline client::internal
