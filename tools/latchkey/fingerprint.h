// What is compared when the same key is used twice.
#pragma once

#include <string>

namespace latchkey::cli {

// The SHA-256 of `text`, so that its length does not matter; empty for an empty one.
std::string FingerprintOf(const std::string& text);

}  // namespace latchkey::cli
